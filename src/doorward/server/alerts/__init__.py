"""What an operator should look at: found in the trail, told once, counted while it lasts."""

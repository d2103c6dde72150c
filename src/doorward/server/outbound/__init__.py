"""HTTP to addresses that users name: to the public network alone, whatever the address says."""

"""What several processes share through Redis or Valkey."""

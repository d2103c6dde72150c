"""The server: workspaces of files behind the door that the toolkit guards."""

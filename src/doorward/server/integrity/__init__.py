"""Whether rows and bytes agree, and how what does not is mended."""

"""The transfer door: bytes in by signed URL, bytes out with ranges."""

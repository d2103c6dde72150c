"""Small pictures of images, made where a hostile one can do no harm."""

"""Parts of `simulate.py`: the cells, their light, the camera, and the wells of a plate."""

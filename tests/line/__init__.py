"""Line protocol: how it is read, how it is answered, and the clients that speak it."""

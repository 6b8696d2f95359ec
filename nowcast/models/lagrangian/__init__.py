"""Networks in Lagrangian coordinates: optical flow, semi-Lagrangian advection, the wrapper."""

"""GPUs and other devices by CDI specs: the machine's own, and the one that wherry makes for NVIDIA's driver."""

"""Bundles: images, models, a compose project and what is attached to them, for machines without a network.

Pure: what a bundle says, where each of its bytes stands, how it is split. `engine.airgap_*` reads and writes them.
"""

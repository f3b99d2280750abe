"""Rules for images of AI applications: PY001 and on."""

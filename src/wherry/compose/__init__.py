"""Compose: several services as one project. Files to a model, the model and what is there to a plan, the plan to work."""

"""Compose: several services as one project. Files to a model, model and what is there to a plan, the plan to work."""

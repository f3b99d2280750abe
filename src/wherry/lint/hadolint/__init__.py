"""hadolint's rules, by their numbers."""

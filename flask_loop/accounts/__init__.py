"""What the bundled models of users and sessions lean on: passwords, tokens, limits, links."""

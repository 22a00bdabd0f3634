"""The demo's policy, and how a user's blocks replace its own."""

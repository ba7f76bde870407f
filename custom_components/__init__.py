"""Custom integrations of this repository; a package, so that tests find it before any other."""

"""Gates: where transmissions are stopped and asked about. A gate never decides."""

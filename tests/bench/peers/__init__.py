"""What the service is measured against: others' ways of doing the same, as well as they can be done."""

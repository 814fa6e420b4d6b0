"""Epic on a laptop: sign-in, FHIR, the telehealth status service, a schedule and the messages about it."""

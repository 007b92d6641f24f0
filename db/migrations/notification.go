package migrations

// notifications are the messages that other services of the cloud have not got yet.
func notifications() []table {
	return []table{
		{"notification", []string{"id ID!", "uuid" + uuid, "created_at" + when, "publisher_id" + word, "event_type" + word, "priority" + word, "context" + text, "payload" + text,
			"due_at" + big}, []string{"unique uuid", "due_at", "created_at"}},
	}
}

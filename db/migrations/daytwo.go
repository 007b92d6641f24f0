package migrations

// column is one that a table gets.
type column struct{ table, name, kind string }

// dayTwo are the columns of what happens to clusters after their first day.
func dayTwo() []column {
	return []column{
		{"node", "replaces", uuid + " DEFAULT ''"},
		{"node", "image_id", word + " DEFAULT ''"},
		{"operation", "leftovers", text + " DEFAULT '[]'"},
	}
}

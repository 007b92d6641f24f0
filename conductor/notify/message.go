package notify

import (
	"encoding/json"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// encode writes a notification as oslo.messaging's notifier does. The id of the sending is another one each time: the
// same twice would be left unacknowledged by listeners, which know a message sent again by its message_id.
func encode(n *db.Notification, sendingID string) ([]byte, error) {
	m := map[string]any{
		"message_id": n.UUID, "publisher_id": n.PublisherID, "event_type": n.EventType, "priority": n.Priority, "payload": n.Payload,
		"timestamp":  n.CreatedAt.UTC().Format("2006-01-02 15:04:05.000000"),
		"_unique_id": strings.ReplaceAll(sendingID, "-", ""),
	}
	for k, v := range n.Context {
		m["_context_"+k] = v
	}
	return json.Marshal(m)
}

// envelope puts a message into format 2.0.
func envelope(message []byte) ([]byte, error) {
	return json.Marshal(map[string]string{"oslo.version": "2.0", "oslo.message": string(message)})
}

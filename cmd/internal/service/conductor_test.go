package service

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
)

// TestWhoNotifies: which drivers of notifications go with a broker, and which without.
func TestWhoNotifies(t *testing.T) {
	rabbit := queue.Config{TransportURL: "rabbit://u:s3cret@127.0.0.1:1/"}
	for _, tc := range []struct {
		name    string
		drivers []string
		broker  queue.Config
		url     string
		notify  bool
		refused string
	}{
		{"none", nil, rabbit, "", false, ""},
		{"none but in name", []string{"noop", ""}, rabbit, "", false, ""},
		{"through RabbitMQ", []string{"messagingv2"}, rabbit, "", true, ""},
		{"through another RabbitMQ", []string{"messaging", "log"}, rabbit, "amqps://h", true, ""},
		{"to where nobody can send", []string{"messagingv2"}, rabbit, "kafka://u:s3cret@h", false, "[oslo_messaging_notifications]: transport_url: scheme"},
		{"to the log, all in one", []string{"log"}, queue.Config{}, "", true, ""},
		{"not at all, all in one", []string{"noop"}, queue.Config{}, "", false, ""},
		{"through RabbitMQ, all in one", []string{"log", "messagingv2"}, queue.Config{}, "rabbit://h", false, "it is log or noop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, err := Defaults()
			if err != nil {
				t.Fatal(err)
			}
			cfg.Notify.Drivers, cfg.Notify.TransportURL = tc.drivers, tc.url
			s := &Service{cfg: cfg, broker: tc.broker, log: zap.NewNop(), registry: prometheus.NewRegistry()}
			relay, err := s.relay()
			if (relay != nil) != tc.notify {
				t.Errorf("a relay: %t, want %t", relay != nil, tc.notify)
			}
			switch {
			case tc.refused == "" && err != nil:
				t.Error(err)
			case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused) || strings.Contains(err.Error(), "s3cret")):
				t.Errorf("%v, want %q and no password", err, tc.refused)
			}
		})
	}
}

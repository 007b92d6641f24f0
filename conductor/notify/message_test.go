package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func TestWireForm(t *testing.T) {
	n := &db.Notification{UUID: "5b1c5f0e-0000-4000-8000-000000000001", CreatedAt: time.Date(2026, 11, 25, 22, 47, 32, 120_000_000, time.FixedZone("", 3600)), PublisherID: "container-infra.here",
		EventType: "magnum.cluster.create", Priority: "INFO", Context: db.Strings{"request_id": "req-1", "user_id": "u"}, Payload: db.RawJSON(`{"a":"ä\"<"}`)}
	bare, err := encode(n, "5b1c5f0e-0000-4000-8000-000000000002")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_context_request_id":"req-1","_context_user_id":"u","_unique_id":"5b1c5f0e000040008000000000000002","event_type":"magnum.cluster.create",` +
		`"message_id":"5b1c5f0e-0000-4000-8000-000000000001","payload":{"a":"ä\"\u003c"},"priority":"INFO","publisher_id":"container-infra.here","timestamp":"2026-11-25 21:47:32.120000"}`
	if diff := cmp.Diff(want, string(bare)); diff != "" {
		t.Errorf("bare (-want +got):\n%s", diff)
	}
	got, err := envelope([]byte(`{"a":"b"}`))
	if diff := cmp.Diff(`{"oslo.message":"{\"a\":\"b\"}","oslo.version":"2.0"}`, string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestTopology(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cfg     Config
		rabbit  RabbitConfig
		keys    []string
		durable bool
		args    map[string]any
	}{
		{"defaults", Config{Topics: []string{"notifications"}}, RabbitConfig{}, []string{"notifications.info", "notifications.error"}, false, nil},
		{"two topics, one twice", Config{Topics: []string{"a", "b", "a"}}, RabbitConfig{Durable: true, DeliveryLimit: 7}, []string{"a.info", "a.error", "b.info", "b.error"}, true, nil},
		{"quorum queues", Config{Topics: []string{"a"}}, RabbitConfig{Quorum: true, DeliveryLimit: 7}, []string{"a.info", "a.error"}, true, map[string]any{"x-queue-type": "quorum", "x-delivery-limit": 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := topology(tc.cfg, tc.rabbit, "magnum")
			if diff := cmp.Diff(tc.keys, got.Keys); diff != "" || got.Durable != tc.durable || got.Exchange != "magnum" {
				t.Errorf("%+v (-want +got):\n%s", got, diff)
			}
			if diff := cmp.Diff(tc.args, got.Arguments); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name              string
		cfg               Config
		enabled, brokered bool
		err               string
	}{
		{"nothing", Config{}, false, false, ""},
		{"noop", Config{Drivers: []string{"", "noop"}}, false, false, ""},
		{"the log", Config{Drivers: []string{"log"}}, true, false, ""},
		{"all", Config{Drivers: []string{"messaging", "messagingv2", "log", "noop"}, Topics: []string{"t"}}, true, true, ""},
		{"an unknown one", Config{Drivers: []string{"routing"}}, true, false, `[oslo_messaging_notifications] driver: "routing" is not one of messagingv2, messaging, log, noop`},
		{"no topic", Config{Drivers: []string{"messaging"}}, true, true, "[oslo_messaging_notifications] topics: at least one is needed, and each with a name, for drivers messagingv2 and messaging"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := ""
			if err := tc.cfg.Check(); err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.err, text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.cfg.Enabled() != tc.enabled || tc.cfg.Brokered() != tc.brokered {
				t.Errorf("enabled %t, brokered %t", tc.cfg.Enabled(), tc.cfg.Brokered())
			}
		})
	}
}

func TestLog(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l := logger{zap.New(core)}
	for _, priority := range []string{"INFO", "ERROR"} {
		if err := l.Send(t.Context(), &db.Notification{UUID: "id", EventType: "e", Priority: priority, Payload: db.RawJSON(`{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	all := logs.All()
	if len(all) != 2 || all[0].Level != zap.InfoLevel || all[1].Level != zap.ErrorLevel || all[0].ContextMap()["message_id"] != "id" || all[0].ContextMap()["payload"] != "{}" {
		t.Errorf("%+v", all)
	}
}

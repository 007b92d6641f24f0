package notify

import (
	"fmt"
	"slices"
	"time"
)

// Drivers, by oslo.messaging's names.
const (
	driverMessagingV2 = "messagingv2" // to RabbitMQ, in an envelope with a version
	driverMessaging   = "messaging"   // to RabbitMQ, bare
	driverLog         = "log"
	driverNoop        = "noop"
)

// Config is group [oslo_messaging_notifications], with oslo.messaging's names.
type Config struct {
	Drivers      []string      `opt:"driver" default:"" multi:"true" deprecated:"DEFAULT.notification_driver" help:"How other services are told of the begin and end of operations on clusters: messagingv2 (RabbitMQ, what everybody reads), messaging (the same without envelope), log (the log of the conductor), noop; none: nothing is told"`
	TransportURL string        `opt:"transport_url" deprecated:"DEFAULT.notification_transport_url" secret:"true" help:"RabbitMQ that notifications go to; unset: transport_url in [DEFAULT]"`
	Topics       []string      `opt:"topics" default:"notifications" deprecated:"DEFAULT.notification_topics" help:"Topics that each notification is published to. The queue is named after topic and priority: notifications.info, notifications.error"`
	MaxAge       time.Duration `opt:"max_age" default:"86400" min:"60" unit:"s" help:"Seconds after which a notification that could not be sent is dropped. The log and jeroboam_notifications_total tell of it"`
}

// RabbitConfig is what group [oslo_messaging_rabbit] says of queues that are made for notifications: those who listen
// declare them too, and cannot when they are made otherwise.
type RabbitConfig struct {
	Durable          bool `opt:"amqp_durable_queues" default:"false" help:"Queues of notifications, where they are not there yet, outlive a restart of the broker. Has to be what the services that listen have; the queue of operations always is durable"`
	AutoDelete       bool `opt:"amqp_auto_delete" default:"false" help:"Queues of notifications go with their last listener"`
	Quorum           bool `opt:"rabbit_quorum_queue" default:"false" help:"Queues of notifications are quorum queues. Has to be what the services that listen have; the queue of operations always is one"`
	DeliveryLimit    int  `opt:"rabbit_quorum_delivery_limit" default:"0" min:"0" help:"Deliveries after which a quorum queue of notifications drops one; 0: the broker's own limit"`
	MaxMemoryLength  int  `opt:"rabbit_quorum_max_memory_length" default:"0" min:"0" help:"Messages that a quorum queue of notifications keeps in memory; 0: the broker's own limit"`
	MaxMemoryInBytes int  `opt:"rabbit_quorum_max_memory_bytes" default:"0" min:"0" help:"Bytes that a quorum queue of notifications keeps in memory; 0: the broker's own limit"`
}

// arguments of the queues, as oslo.messaging gives them.
func (c RabbitConfig) arguments() map[string]any {
	if !c.Quorum {
		return nil
	}
	out := map[string]any{"x-queue-type": "quorum"}
	for name, n := range map[string]int{"x-delivery-limit": c.DeliveryLimit, "x-max-in-memory-length": c.MaxMemoryLength, "x-max-in-memory-bytes": c.MaxMemoryInBytes} {
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

// drivers that do something, each once.
func (c Config) drivers() []string {
	var out []string
	for _, d := range c.Drivers {
		if d != "" && d != driverNoop && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// Enabled tells whether notifications are to be written.
func (c Config) Enabled() bool { return len(c.drivers()) > 0 }

// Brokered tells whether notifications go through RabbitMQ.
func (c Config) Brokered() bool {
	return slices.ContainsFunc(c.drivers(), func(d string) bool { return d == driverMessagingV2 || d == driverMessaging })
}

// Check refuses drivers that are not there, and messages to nowhere.
func (c Config) Check() error {
	for _, d := range c.drivers() {
		switch d {
		case driverMessagingV2, driverMessaging, driverLog:
		default:
			return fmt.Errorf("[oslo_messaging_notifications] driver: %q is not one of %s, %s, %s, %s", d, driverMessagingV2, driverMessaging, driverLog, driverNoop)
		}
	}
	if c.Brokered() && (len(c.Topics) == 0 || slices.Contains(c.Topics, "")) {
		return fmt.Errorf("[oslo_messaging_notifications] topics: at least one is needed, and each with a name, for drivers %s and %s", driverMessagingV2, driverMessaging)
	}
	return nil
}

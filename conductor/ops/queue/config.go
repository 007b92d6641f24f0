package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
)

// DefaultQueueName is the queue of operations.
const DefaultQueueName = "jeroboam.operations"

// Config is how RabbitMQ is reached: section [oslo_messaging_rabbit], and what the caller adds to it.
type Config struct {
	SSL         bool          `opt:"ssl" default:"false" deprecated:"rabbit_use_ssl" help:"Connect to RabbitMQ over TLS. ssl in the query of transport_url overrides it"`
	SSLCAFile   string        `opt:"ssl_ca_file" deprecated:"kombu_ssl_ca_certs" help:"CA certificates that the broker is verified with; empty: the system's. The broker is always verified"`
	SSLCertFile string        `opt:"ssl_cert_file" deprecated:"kombu_ssl_certfile" help:"Client certificate. Read anew at every connection"`
	SSLKeyFile  string        `opt:"ssl_key_file" deprecated:"kombu_ssl_keyfile" help:"Key of the client certificate"`
	Heartbeat   time.Duration `opt:"heartbeat_timeout_threshold" default:"15" unit:"s" help:"Seconds after which a silent connection counts as broken; 0 stands for 15, since it is never turned off. The broker may ask for less"`
	RetryMin    time.Duration `opt:"rabbit_retry_interval" default:"1" unit:"s" help:"Seconds before RabbitMQ is tried again after all its hosts have failed; it doubles each time"`
	RetryMax    time.Duration `opt:"rabbit_interval_max" default:"30" unit:"s" help:"Seconds between tries at the most"`

	TransportURL string      // [DEFAULT] transport_url
	QueueName    string      // empty: DefaultQueueName; the dead letters are in QueueName.dead
	Log          *zap.Logger // nil: no log
}

// check fills in what was left out, and reports everything that can never work.
func (c Config) check() (Config, transport, error) {
	if c.QueueName == "" {
		c.QueueName = DefaultQueueName
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	c.Heartbeat = orDefault(c.Heartbeat, 15*time.Second)
	c.RetryMin = orDefault(c.RetryMin, time.Second)
	c.RetryMax = max(orDefault(c.RetryMax, 30*time.Second), c.RetryMin)
	t, err := parseTransportURL(c.TransportURL)
	if err != nil {
		return c, t, fmt.Errorf("transport_url: %w", err)
	}
	if t.ssl != nil {
		c.SSL = *t.ssl
	}
	if _, err := c.tls(""); err != nil {
		return c, t, err
	}
	return c, t, nil
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// tls makes the settings of one connection to host; nil without TLS. It reads the files each time, so that renewed
// certificates are taken up.
func (c Config) tls(host string) (*tls.Config, error) {
	if !c.SSL {
		return nil, nil
	}
	t := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.SSLCAFile != "" {
		pem, err := os.ReadFile(c.SSLCAFile)
		if err != nil {
			return nil, fmt.Errorf("read ssl_ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ssl_ca_file %s holds no certificate", c.SSLCAFile)
		}
	}
	switch {
	case c.SSLCertFile == "" && c.SSLKeyFile == "":
		return t, nil
	case c.SSLCertFile == "" || c.SSLKeyFile == "":
		return nil, errors.New("ssl_cert_file and ssl_key_file go together: one of them is not set")
	}
	pair, err := tls.LoadX509KeyPair(c.SSLCertFile, c.SSLKeyFile)
	if err != nil {
		return nil, fmt.Errorf("load ssl_cert_file and ssl_key_file: %w", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return t, nil
}

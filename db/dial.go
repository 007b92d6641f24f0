package db

import (
	"net"
	"time"
)

// A database that is gone without a word, with its host or the network between, is to be noticed before all that waits for it
// has lost its leases.
const (
	dialTimeout = 10 * time.Second
	silenceTime = 30 * time.Second
)

// dialer makes connections that end when the other side has not acknowledged anything for the silence time, whether
// something is under way or not.
func dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, Control: endSilence,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silenceTime / 2, Interval: silenceTime / 6, Count: 3}}
}

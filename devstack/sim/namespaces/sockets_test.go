package namespaces

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

func TestListeningPort(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("10.0.0.7/24")}
	for _, x := range []struct {
		name, line string
		want       int // 0: none
	}{
		{"everywhere", "0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0", 6443},
		{"everywhere, by IPv6", "0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000", 6443},
		{"at its own address", "1: 0700000A:094B 00000000:0000 0A 00000000:00000000", 2379},
		{"at its own address, by IPv6", "1: 0000000000000000FFFF00000700000A:094B 00000000000000000000000000000000:0000 0A 00000000:00000000", 2379},
		{"on loopback only", "2: 0100007F:1F90 00000000:0000 0A 00000000:00000000", 0},
		{"at an address of a pod's bridge", "2: 0101640A:1F90 00000000:0000 0A 00000000:00000000", 0},
		{"a connection", "3: 0700000A:192B 0800000A:C350 01 00000000:00000000", 0},
		{"the title", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got, ok := listeningPort(x.line, own); ok != (x.want != 0) || ok && got != x.want {
				t.Errorf("got %d, %v", got, ok)
			}
		})
	}
}

func TestCarry(t *testing.T) {
	near, nearFar := net.Pipe()
	far, farFar := net.Pipe()
	go carry(nearFar, far)
	go func() {
		_, _ = io.WriteString(near, "question")
		buffer := make([]byte, 8)
		_, _ = io.ReadFull(farFar, buffer)
		_, _ = io.WriteString(farFar, "answer to "+string(buffer))
		_ = farFar.Close()
	}()
	got, err := io.ReadAll(near)
	if err != nil || string(got) != "answer to question" {
		t.Errorf("got %q, %v", got, err)
	}
}

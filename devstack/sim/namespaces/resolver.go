package namespaces

import (
	"net"
	"net/netip"
)

// A query of DNS as far as it matters here: where the flags are, and how long the header is.
const (
	dnsFlags    = 2
	dnsHeader   = 12
	dnsResponse = 0x80
	dnsNoName   = 3
)

// resolve answers every query at the gateway's address with «there is no such name»: hosts without a way out must not wait
// for a resolver that is not there.
func (n *network) resolve(at netip.Addr) error {
	var conn net.PacketConn
	err := n.inside(func() error {
		var err error
		conn, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 53).String())
		return err
	})
	if err != nil {
		return err
	}
	n.resolvers[at] = conn
	go func() {
		packet := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer := noSuchName(packet[:size]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return nil
}

// noSuchName makes the answer of a query out of the query; nil when it is none.
func noSuchName(query []byte) []byte {
	if len(query) < dnsHeader || query[dnsFlags]&dnsResponse != 0 {
		return nil
	}
	answer := append([]byte(nil), query...)
	answer[dnsFlags] |= dnsResponse
	answer[dnsFlags+1] = dnsNoName
	// whatever else the query has beside its question, options above all, is not answered
	for i := 6; i < dnsHeader; i++ {
		answer[i] = 0
	}
	return answer[:questionEnd(answer)]
}

// questionEnd is where the first question ends.
func questionEnd(message []byte) int {
	i := dnsHeader
	for i < len(message) && message[i] != 0 {
		i += int(message[i]) + 1
	}
	return min(i+5, len(message)) // the root, a type and a class
}

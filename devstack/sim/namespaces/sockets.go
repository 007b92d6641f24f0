package namespaces

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

const (
	// socketInterval is how often a host is looked at for sockets that were opened or closed.
	socketInterval = 300 * time.Millisecond
	dialTimeout    = 5 * time.Second
	stateListening = "0A"
)

// watchSockets tells the cloud of the TCP ports that a host listens to, until stop is called.
func (h *host) watchSockets(p sim.PicturePort, pid int) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		open := map[int]func(){}
		defer func() {
			for _, unlisten := range open {
				unlisten()
			}
		}()
		for tick := time.NewTicker(socketInterval); ; {
			listening := listeningPorts(pid, p.Addresses)
			for number, unlisten := range open {
				if !slices.Contains(listening, number) {
					unlisten()
					delete(open, number)
				}
			}
			for _, number := range listening {
				if open[number] == nil {
					open[number] = h.plumbing.Listen(h.machine.ID, number, h.acceptor(p, number))
				}
			}
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(end); <-ended }
}

// acceptor carries connections to a port of the host.
func (h *host) acceptor(p sim.PicturePort, number int) func(net.Conn) {
	to := netip.AddrPortFrom(p.Addresses[0].Addr(), uint16(number))
	return func(near net.Conn) {
		go func() {
			far, err := h.bed.wires.dial(p.Network, to)
			if err != nil {
				_ = near.Close()
				return
			}
			carry(near, far)
		}()
	}
}

// listeningPorts reads which TCP ports a process sees somebody listen to, other than on loopback alone.
func listeningPorts(pid int, own []netip.Prefix) []int {
	var out []int
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // it has just ended
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if number, ok := listeningPort(lines.Text(), own); ok && !slices.Contains(out, number) {
				out = append(out, number)
			}
		}
		_ = f.Close()
	}
	return out
}

// listeningPort reads a line of the table, as in "0: 0100007F:1F90 00000000:0000 0A …".
func listeningPort(line string, own []netip.Prefix) (int, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != stateListening {
		return 0, false
	}
	text, port, found := strings.Cut(fields[1], ":")
	number, err := strconv.ParseUint(port, 16, 16)
	raw, err2 := hex.DecodeString(text)
	if !found || err != nil || err2 != nil {
		return 0, false
	}
	for word := range slices.Chunk(raw, 4) { // each in the machine's order
		slices.Reverse(word)
	}
	a, ok := netip.AddrFromSlice(raw)
	a = a.Unmap()
	return int(number), ok && (a.IsUnspecified() || slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Addr() == a }))
}

// balance listens where a load balancer does, and lets the cloud say who gets each connection.
func (n *network) balance(at netip.AddrPort, plumbing sim.Plumbing) error {
	if plumbing == nil {
		return nil
	}
	var l net.Listener
	err := n.inside(func() error {
		var err error
		l, err = net.Listen("tcp", at.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("load balancer at %s: %w", at, err)
	}
	n.balancers[at] = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var from netip.Addr
			if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
				from, _ = netip.AddrFromSlice(tcp.IP)
			}
			accept := plumbing.Reach(n.id, from.Unmap(), at)
			if accept == nil {
				_ = conn.Close()
				continue
			}
			accept(conn)
		}
	}()
	return nil
}

// dial connects from the bridge.
func (n *network) dial(to netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	err := n.inside(func() error {
		var err error
		c, err = net.DialTimeout("tcp", to.String(), dialTimeout)
		return err
	})
	return c, err
}

// carry copies both ways until both sides have ended, and tells each of the other's end.
func carry(a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			if half, ok := pair[0].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			} else {
				_ = pair[0].Close()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	_ = a.Close()
	_ = b.Close()
}

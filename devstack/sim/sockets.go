package sim

import (
	"net"
	"net/netip"
	"strconv"
	"sync"
)

// reservationPort marks an address of this machine as taken, for other simulators on it. It is a UDP port that nothing
// listens to otherwise.
const reservationPort = 49151

// reserve makes sure that no other simulator on this machine uses the address. Addresses that are only the cloud's own
// need no such thing.
func (f *fabric) reserve(a netip.Addr) bool {
	if !a.IsLoopback() || f.reserved[a] != nil {
		return true
	}
	conn, err := net.ListenPacket("udp", netip.AddrPortFrom(a, reservationPort).String())
	if err != nil {
		return false
	}
	f.reserved[a] = conn
	return true
}

func (f *fabric) release(a netip.Addr) {
	if conn := f.reserved[a]; conn != nil {
		_ = conn.Close()
		delete(f.reserved, a)
	}
}

// socket is a real listener on an address that this machine reaches.
type socket struct {
	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

// portChanged opens and closes sockets after something happened to a port.
func (f *fabric) portChanged(port *object) {
	for _, ip := range port.doc.docs("fixed_ips") {
		f.refreshText(ip.str("ip_address"))
	}
	if f.cloud.get("port", port.id) == nil {
		return
	}
	for _, o := range f.cloud.with("floatingip", "port_id", port.id) {
		f.refreshText(o.doc.str("floating_ip_address"))
	}
}

func (f *fabric) refreshText(address string) {
	if a, err := netip.ParseAddr(address); err == nil {
		f.refresh(a)
	}
}

// refresh makes what is open at an address what should be.
func (f *fabric) refresh(a netip.Addr) {
	subnet := f.cloud.outsideSubnet(a)
	if subnet == nil {
		return
	}
	wanted := map[int]bool{}
	if target := f.cloud.portOf(f.cloud.addresses[subnet.id][a]); target != nil && !f.cloud.closed {
		wanted = f.exposed(target)
	}
	for port, s := range f.sockets[a] {
		if !wanted[port] {
			delete(f.sockets[a], port)
			s.close()
		}
	}
	for port := range wanted {
		if f.sockets[a][port] != nil {
			continue
		}
		s, err := f.open(a, port)
		if err != nil {
			f.cloud.log.Warn("address cannot be served", "address", a, "port", port, "error", err)
			continue
		}
		if f.sockets[a] == nil {
			f.sockets[a] = map[int]*socket{}
		}
		f.sockets[a][port] = s
	}
	if len(f.sockets[a]) == 0 {
		delete(f.sockets, a)
	}
}

// exposed lists the TCP ports that somebody answers at behind a port of Neutron.
func (f *fabric) exposed(target *object) map[int]bool {
	out := map[int]bool{}
	if lb := f.cloud.get("load_balancer", target.doc.str("_lb")); lb != nil {
		for _, l := range f.cloud.with("listener", "_lb", lb.id) {
			if port := l.doc.num("protocol_port"); f.cloud.listenerAt(lb, port) == l {
				out[port] = true
			}
		}
		return out
	}
	for port := range f.listening[hostOf(target)] {
		out[port] = true
	}
	return out
}

func (f *fabric) open(a netip.Addr, port int) (*socket, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(a.String(), strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	s := &socket{listener: listener, conns: map[net.Conn]bool{}}
	f.cloud.background.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.deliver(s, conn, a, port)
		}
	})
	return s, nil
}

// deliver hands a connection from this machine to whom it is for, or cuts it.
func (f *fabric) deliver(s *socket, conn net.Conn, a netip.Addr, port int) {
	var source netip.Addr
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		source, _ = netip.AddrFromSlice(tcp.IP)
		source = source.Unmap()
	}
	accept := f.outside(a, port, source)
	if accept == nil || !s.track(conn) {
		_ = conn.Close()
		return
	}
	accept(&trackedConn{Conn: conn, socket: s})
}

func (f *fabric) outside(a netip.Addr, port int, source netip.Addr) func(net.Conn) {
	f.cloud.mu.Lock()
	defer f.cloud.mu.Unlock()
	subnet := f.cloud.outsideSubnet(a)
	if subnet == nil {
		return nil
	}
	target := f.cloud.portOf(f.cloud.addresses[subnet.id][a])
	if target == nil {
		return nil
	}
	accept, err := f.route(target, port, nil, source)
	if err != nil {
		return nil
	}
	return accept
}

// track remembers a connection, so that it ends with the socket; false when that has happened already.
func (s *socket) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *socket) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
}

// trackedConn leaves its socket when it ends.
type trackedConn struct {
	net.Conn
	socket *socket
}

func (t *trackedConn) Close() error {
	t.socket.mu.Lock()
	delete(t.socket.conns, t.Conn)
	t.socket.mu.Unlock()
	return t.Conn.Close()
}

// close ends everything that is open.
func (f *fabric) close() {
	f.cloud.mu.Lock()
	defer f.cloud.mu.Unlock()
	for _, ports := range f.sockets {
		for _, s := range ports {
			s.close()
		}
	}
	clear(f.sockets)
	for a := range f.reserved {
		f.release(a)
	}
}

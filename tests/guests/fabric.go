package guests

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

var (
	errRefused = fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	errNoRoute = fmt.Errorf("connect: %w", syscall.EHOSTUNREACH)
)

// Listen implements kube.Fabric.
func (g *Guests) Listen(hostID string, port int, accept func(net.Conn)) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listening[hostID] == nil {
		g.listening[hostID] = map[int]func(net.Conn){}
	}
	g.listening[hostID][port] = accept
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.listening[hostID], port)
	}
}

// Dial implements kube.Fabric.
func (g *Guests) Dial(ctx context.Context, fromHostID, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	accept, err := g.resolve(fromHostID, host, port)
	if err != nil {
		return nil, fmt.Errorf("dial tcp %s: %w", address, err)
	}
	near, far := net.Pipe()
	accept(far)
	return near, nil
}

// resolve finds who gets a connection from a host to an address: itself, a neighbour on its network, or who is behind a
// floating IP.
func (g *Guests) resolve(from, address string, number int) (func(net.Conn), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if id, floating := g.seen.floating[address]; floating {
		return g.route(id, number)
	}
	if a, err := netip.ParseAddr(address); err == nil && a.IsLoopback() {
		return g.local(from, number)
	}
	for _, own := range g.seen.ports {
		if own.device != from {
			continue
		}
		for id, p := range g.seen.ports {
			if p.network == own.network && p.address == address {
				return g.route(id, number)
			}
		}
	}
	return nil, errNoRoute
}

// route finds who answers behind a port of Neutron.
func (g *Guests) route(id string, number int) (func(net.Conn), error) {
	listeners, balanced := g.seen.vips[id]
	if !balanced {
		return g.local(g.seen.ports[id].device, number)
	}
	for _, l := range listeners {
		if l.port != number {
			continue
		}
		for range l.members {
			g.turn++
			m := l.members[g.turn%len(l.members)]
			for _, p := range g.seen.ports {
				if p.network != g.seen.ports[id].network || p.address != m.address {
					continue
				}
				if accept, err := g.local(p.device, m.port); err == nil {
					return accept, nil
				}
			}
		}
	}
	return nil, errRefused
}

func (g *Guests) local(hostID string, number int) (func(net.Conn), error) {
	if accept := g.listening[hostID][number]; accept != nil {
		return accept, nil
	}
	return nil, errRefused
}

// open listens on this machine at the floating IPs, which are loopback addresses, and closes what is not wanted any more.
func (g *Guests) open() {
	wanted := map[string]func() (func(net.Conn), error){}
	for address, id := range g.seen.floating {
		numbers := map[int]bool{}
		for _, l := range g.seen.vips[id] {
			numbers[l.port] = true
		}
		for number := range g.listening[g.seen.ports[id].device] {
			numbers[number] = true
		}
		for number := range numbers {
			wanted[net.JoinHostPort(address, strconv.Itoa(number))] = func() (func(net.Conn), error) {
				g.mu.Lock()
				defer g.mu.Unlock()
				return g.route(g.seen.floating[address], number)
			}
		}
	}
	for at, l := range g.sockets {
		if wanted[at] == nil {
			_ = l.Close()
			delete(g.sockets, at)
		}
	}
	for at, find := range wanted {
		if g.sockets[at] != nil {
			continue
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			continue // asked for again at the next look
		}
		g.sockets[at] = l
		go serve(l, find)
	}
}

// serve hands connections on until the listener is closed.
func serve(l net.Listener, find func() (func(net.Conn), error)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		accept, err := find()
		if err != nil {
			_ = c.Close()
			continue
		}
		accept(c)
	}
}

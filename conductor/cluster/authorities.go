package cluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

// trusted are the certificates of an authority and of those that are trusted beside it while it is being replaced. The
// first one is that of the authority that signs.
func (w *work) trusted(ctx context.Context, name string) ([]byte, error) {
	return trust(w.s.Cluster.SecretRefs, name, func(name string) (pki.Bundle, error) { return w.secret(ctx, name) })
}

func trust(refs map[string]string, name string, secret func(name string) (pki.Bundle, error)) ([]byte, error) {
	var all []byte
	for _, name := range ops.Trusted(refs, name) {
		b, err := secret(name)
		if err != nil {
			return nil, err
		}
		all = append(all, bytes.TrimRight(b.Certificate, "\n")...)
		all = append(all, '\n')
	}
	return all, nil
}

// certificates of an authority: all that are trusted, or in the end the one that signs.
func (w *work) certificates(ctx context.Context, name string, p phase) ([]byte, error) {
	if p != phaseDrop {
		return w.trusted(ctx, name)
	}
	b, err := w.secret(ctx, name)
	return b.Certificate, err
}

// authorities as a host is to have them in a phase. A worker knows the cluster's alone.
func (w *work) authorities(ctx context.Context, controlPlane bool, p phase) (kube.Authorities, error) {
	var a kube.Authorities
	var err error
	if a.CA, err = w.certificates(ctx, ops.SecretCA, p); err != nil || !controlPlane {
		return a, err
	}
	for name, into := range map[string]struct{ cert, key *[]byte }{
		ops.SecretCA: {&a.CA, &a.CAKey}, ops.SecretEtcdCA: {&a.EtcdCA, &a.EtcdCAKey}, ops.SecretFrontProxyCA: {&a.FrontProxyCA, &a.FrontProxyCAKey},
	} {
		b, err := w.secret(ctx, name)
		if err != nil {
			return a, err
		}
		if *into.cert, err = w.certificates(ctx, name, p); err != nil {
			return a, err
		}
		*into.key = b.PrivateKey
		if name == ops.SecretCA {
			a.SigningCA = b.Certificate
		}
	}
	return a, nil
}

// under tells that references of a kind are there: ops.Next in the first phase of a rotation, ops.Old in the others.
func (w *work) under(kind string) bool { return w.s.Cluster.SecretRefs[ops.SecretCA+kind] != "" }

// keepRefs records other references of the cluster's secrets.
func (w *work) keepRefs(ctx context.Context, change func(refs db.Strings)) drivers.Result {
	var refs db.Strings
	err := w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		refs = maps.Clone(s.Cluster.SecretRefs)
		change(refs)
		s.Cluster.SecretRefs = refs
		return nil
	})
	if err == nil {
		w.s.Cluster.SecretRefs = refs
	}
	return drivers.FromError(err)
}

// makeAuthorities makes those that are to follow. They count once their references are recorded; a crash before that finds
// what was stored, since the first one stored under a name is the one that stays.
func (w *work) makeAuthorities(ctx context.Context) drivers.Result {
	if w.under(ops.Next) || w.under(ops.Old) {
		return drivers.Done()
	}
	generation, made := ops.GenerationOf(w.s.Cluster.SecretRefs, ops.Generation)+1, db.Strings{}
	for _, name := range ops.Authorities() {
		b, err := w.makeSecret(name)
		if err != nil {
			return drivers.Failed(drivers.ClassInternal, "making %s: %w", name, err)
		}
		if made[name+ops.Next], err = w.e.Secrets.Put(ctx, w.owner(), ops.InGeneration(name, generation), b); err != nil {
			return drivers.Transient(err)
		}
	}
	return w.keepRefs(ctx, func(refs db.Strings) { maps.Copy(refs, made) })
}

// switchAuthorities makes the next ones those that sign: every host knows both by now.
func (w *work) switchAuthorities(ctx context.Context) drivers.Result {
	if w.under(ops.Old) {
		return drivers.Done()
	}
	return w.keepRefs(ctx, func(refs db.Strings) {
		for _, name := range ops.Authorities() {
			refs[name+ops.Old], refs[name] = refs[name], refs[name+ops.Next]
			delete(refs, name+ops.Next)
		}
	})
}

// dropAuthorities forgets the old ones: nothing that they have signed is in use.
func (w *work) dropAuthorities(ctx context.Context) drivers.Result {
	if !w.under(ops.Old) {
		return drivers.Done()
	}
	return w.keepRefs(ctx, func(refs db.Strings) {
		for _, name := range ops.Authorities() {
			delete(refs, name+ops.Old)
		}
		refs[ops.Generation] = strconv.Itoa(ops.GenerationOf(refs, ops.Generation) + 1)
	})
}

// deleteOldAuthorities deletes their keys.
func (w *work) deleteOldAuthorities(ctx context.Context) drivers.Result {
	before := ops.GenerationOf(w.s.Cluster.SecretRefs, ops.Generation) - 1
	for _, name := range ops.Authorities() {
		if err := w.e.Secrets.Delete(ctx, w.owner(), ops.InGeneration(name, before), ""); err != nil {
			return drivers.Transient(fmt.Errorf("deleting an old authority: %w", err))
		}
	}
	return drivers.Done()
}

// laterNames are those under which secrets that were replaced may be kept: the present ones, those of before, whose
// deletion may have failed, and those that were to follow.
func laterNames(generation int, names ...string) []string {
	var l []string
	for g := max(generation-1, 1); g <= generation+1; g++ {
		for _, name := range names {
			l = append(l, ops.InGeneration(name, g))
		}
	}
	return l
}

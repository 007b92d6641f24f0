package cluster

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// rotateCredential gives the cluster another service user with another password. A new password for the same user would
// end the old one at once, with every token; so the new user is made beside the old one, and seen to work in the cluster's
// project, before anything depends on it. No node is touched: none has the credential.
func (b *builder) rotateCredential() {
	w := b.w
	if w.e.OwnCredentials {
		b.add("new credential", deadlineCall, func(context.Context) drivers.Result {
			return drivers.Failed(drivers.ClassUser, "this service acts with its own credential for all clusters: there is none of the cluster to rotate")
		})
		return
	}
	made := b.add("new credential", deadlineCall, w.makeCredential)
	user := b.add("new service user", deadlineCall, w.ensureNextUser, made)
	seen := b.add("the new service user works", deadlineCall, w.checkNextUser, user)
	acts := b.add("the new service user acts", deadlineCall, w.switchCredential, seen)
	gone := b.add("the old service user is gone", deadlineGone, w.removeOldUser, b.renewAddons(acts)...)
	b.add("the old password is gone", deadlineGone, w.deleteOldCredential, gone)
}

func (w *work) credentialGeneration() int {
	return ops.GenerationOf(w.s.Cluster.SecretRefs, ops.CredentialGeneration)
}

// makeCredential makes the next password. What an attempt stored that died before it was recorded is found again.
func (w *work) makeCredential(ctx context.Context) drivers.Result {
	if w.s.Cluster.SecretRefs[ops.SecretCredential+ops.Next] != "" {
		return drivers.Done()
	}
	b, err := w.makeSecret(ops.SecretCredential)
	if err != nil {
		return drivers.Failed(drivers.ClassInternal, "making a password: %w", err)
	}
	ref, err := w.e.Secrets.Put(ctx, w.owner(), ops.InGeneration(ops.SecretCredential, w.credentialGeneration()+1), b)
	if err != nil {
		return drivers.Transient(err)
	}
	return w.keepRefs(ctx, func(refs db.Strings) { refs[ops.SecretCredential+ops.Next] = ref })
}

// switched tells that the next credential is the cluster's by now.
func (w *work) switched() bool { return w.s.Cluster.SecretRefs[ops.SecretCredential+ops.Next] == "" }

func (w *work) ensureNextUser(ctx context.Context) drivers.Result {
	if w.switched() {
		return drivers.Done()
	}
	b, err := w.secret(ctx, ops.SecretCredential+ops.Next)
	if err != nil {
		return drivers.Transient(err)
	}
	return w.e.Infra.EnsureUser(ctx, w.site, w.site.Cluster.UserName(w.credentialGeneration()+1), string(b.Passphrase))
}

// checkNextUser logs in as the new user, next to what the old one does.
func (w *work) checkNextUser(ctx context.Context) drivers.Result {
	if w.switched() {
		return drivers.Done()
	}
	b, err := w.secret(ctx, ops.SecretCredential+ops.Next)
	if err != nil {
		return drivers.Transient(err)
	}
	user, ok := w.l.Find(drivers.KindUser, w.site.Cluster.UserName(w.credentialGeneration()+1))
	if !ok || user.ID == "" {
		return drivers.Failed(drivers.ClassInternal, "the new service user was not recorded")
	}
	site := *w.site
	site.Credential = drivers.Credential{UserID: user.ID, Password: string(b.Passphrase), ProjectID: w.s.Cluster.ProjectID}
	return w.e.Infra.CheckUser(ctx, &site)
}

func (w *work) switchCredential(ctx context.Context) drivers.Result {
	if w.switched() {
		return drivers.Done()
	}
	r := w.keepRefs(ctx, func(refs db.Strings) {
		refs[ops.SecretCredential] = refs[ops.SecretCredential+ops.Next]
		delete(refs, ops.SecretCredential+ops.Next)
		refs[ops.CredentialGeneration] = strconv.Itoa(ops.GenerationOf(refs, ops.CredentialGeneration) + 1)
	})
	if !r.IsDone() {
		return r
	}
	credential, err := w.credential(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	w.site.Credential = credential
	return r
}

// removeOldUser takes away every service user but the present one.
func (w *work) removeOldUser(ctx context.Context) drivers.Result {
	present := w.site.Cluster.UserName(w.credentialGeneration())
	for _, r := range w.l.All() {
		if r.Kind != drivers.KindUser || r.Name == present {
			continue
		}
		if result := w.e.Infra.Remove(ctx, w.site, r); !result.IsDone() {
			return result
		}
	}
	return drivers.Done()
}

func (w *work) deleteOldCredential(ctx context.Context) drivers.Result {
	old := ops.InGeneration(ops.SecretCredential, w.credentialGeneration()-1)
	if err := w.e.Secrets.Delete(ctx, w.owner(), old, ""); err != nil {
		return drivers.Transient(fmt.Errorf("deleting the old password: %w", err))
	}
	return drivers.Done()
}

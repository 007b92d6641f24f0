package contract

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/sharedfilesystems/v2/sharetypes"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestShareTypes(t *testing.T) {
	b := newBed(t)
	beside := newBedBeside(t, b)
	s, err := b.tenant.Share()
	b.must(err)
	if region, err := s.Region(); err != nil || region != sim.Region {
		t.Errorf("the region is %q, %v", region, err)
	}
	for name, own := range map[string]bool{"nfs": false, "generic": true} {
		if x := b.shareType(b.tenant, name); x == nil || x.OwnServers != own || len(x.Protocols) != 0 {
			t.Errorf("%s: %+v", name, x)
		}
	}

	private := b.newShareType(false, map[string]string{"driver_handles_share_servers": "False", "storage_protocol": "<in> NFS_CIFS", "snapshot_support": "<is> True"})
	if x := b.shareType(b.tenant, private.Name); x != nil {
		t.Errorf("a type that is not for this project: %+v", x)
	}
	if x := b.shareType(b.service, private.Name); x != nil {
		t.Errorf("an administrator is given a type that is not for its project, either: %+v", x)
	}
	access := sharetypes.AccessOpts{Project: b.projectID}
	b.must(sharetypes.AddAccess(t.Context(), b.shares(), private.ID, access).ExtractErr())
	if x := b.shareType(b.tenant, private.Name); x == nil || x.OwnServers || len(x.Protocols) != 0 {
		t.Errorf("a type that was given to this project: %+v", x)
	}
	if x := beside.shareType(beside.tenant, private.Name); x != nil {
		t.Errorf("a type that was given to another project: %+v", x)
	}
	b.must(sharetypes.RemoveAccess(t.Context(), b.shares(), private.ID, access).ExtractErr())
	if x := b.shareType(b.tenant, private.Name); x != nil {
		t.Errorf("a type that was taken from this project: %+v", x)
	}

	public := b.newShareType(true, map[string]string{"driver_handles_share_servers": "1", "storage_protocol": "nfs_cifs"})
	if x := b.shareType(b.tenant, public.Name); x == nil || !x.OwnServers || len(x.Protocols) != 0 {
		t.Errorf("a member is told of the operator's affairs, or not that each network has its servers: %+v", x)
	}
	if x := b.shareType(b.service, public.Name); x == nil || !slices.Equal(x.Protocols, []string{"NFS", "CIFS"}) {
		t.Errorf("an administrator is not told them: %+v", x)
	}
	b.must(sharetypes.Delete(t.Context(), b.shares(), public.ID).ExtractErr())
	if types, err := s.Types(t.Context()); err != nil || slices.ContainsFunc(types, func(x cloud.ShareType) bool { return x.Name == public.Name }) {
		t.Errorf("a type that was deleted: %+v, %v", types, err)
	}
}

// shareType is the one of that name, if the actor may use it.
func (b *bed) shareType(as *cloud.Clients, name string) *cloud.ShareType {
	b.t.Helper()
	s, err := as.Share()
	b.must(err)
	types, err := s.Types(b.t.Context())
	b.must(err)
	i := slices.IndexFunc(types, func(x cloud.ShareType) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &types[i]
}

// shares is Manila for the administrator.
func (b *bed) shares() *gophercloud.ServiceClient {
	b.t.Helper()
	s, err := openstack.NewSharedFileSystemV2(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	s.Microversion = "2.7" // with access to types by the name that it has today
	return s
}

// anyShareType has extra specs of any kind.
type anyShareType map[string]any

// ToShareTypeCreateMap is the request.
func (x anyShareType) ToShareTypeCreateMap() (map[string]any, error) {
	return map[string]any{"share_type": map[string]any(x)}, nil
}

// newShareType makes one that goes with the test.
func (b *bed) newShareType(public bool, specs map[string]string) *sharetypes.ShareType {
	b.t.Helper()
	x, err := sharetypes.Create(b.t.Context(), b.shares(), anyShareType{"name": "contract-" + uuid.NewString(), "share_type_access:is_public": public, "extra_specs": specs}).Extract()
	b.must(err)
	b.later("deleting the share type", func(ctx context.Context) error {
		err := sharetypes.Delete(ctx, b.shares(), x.ID).ExtractErr()
		if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
	return x
}

// TestShareErrors has Manila, or who stands before it, answer in the words that were seen of it.
func TestShareErrors(t *testing.T) {
	b := newBed(t)
	for _, x := range []struct {
		name   string
		status int
		body   string
		is     func(error) bool
		words  string
	}{
		{"token", 401, `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`, cloud.IsUnauthorized, "requires authentication"},
		{"policy", 403, `{"forbidden": {"code": 403, "message": "Access was denied to this resource."}}`, cloud.IsForbidden, "Access was denied"},
		{"keystone away", 503, `{"message": "The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n", "code": "503 Service Unavailable", "title": "Service Unavailable"}`, cloud.IsUnreachable, "Keystone service"},
		{"proxy", 503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n", cloud.IsUnreachable, "No server is available"},
		{"fault", 500, `{"computeFault": {"code": 500, "message": "The server has either erred or is incapable of performing the requested operation."}}`, cloud.IsUnreachable, "erred"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, err := cloud.NewFactory(cloud.Config{AuthURL: b.authURL, AuthType: "password", Interface: "public"})
			b.must(err)
			t.Cleanup(f.Close)
			f.Wrap(func(next http.RoundTripper) http.RoundTripper { return answering{next, "/types", x.status, x.body} })
			clients, err := f.User(t.Context(), cloud.User{ID: b.user.UserID, Password: b.user.Password, ProjectID: b.projectID})
			b.must(err)
			s, err := clients.Share()
			b.must(err)
			_, err = s.Types(t.Context())
			b.want(err, x.is, x.name)
			if err != nil && (!strings.Contains(err.Error(), x.words) || !strings.HasPrefix(err.Error(), "shared-file-system: listing share types: ")) {
				t.Errorf("it says: %v", err)
			}
		})
	}
}

// answering stands before a service and gives its answer to what is asked at one path.
type answering struct {
	next   http.RoundTripper
	path   string
	status int
	body   string
}

// RoundTrip does what it is asked.
func (x answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, x.path) {
		return x.next.RoundTrip(r)
	}
	return &http.Response{StatusCode: x.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(x.body)), Request: r}, nil
}

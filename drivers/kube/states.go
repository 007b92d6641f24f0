package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tableOnly asks for what kubectl prints instead of the objects: a node's own has kilobytes, most of them names of images.
const tableOnly = "application/json;as=Table;v=v1;g=meta.k8s.io"

// NodeStates tells of each node whether it is ready, in the smallest list that the API gives. That it answers at all says
// that the API is there and that etcd has its quorum.
func (c *Client) NodeStates(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := c.lists(ctx)
	defer cancel()
	states := map[string]bool{}
	for next := ""; ; {
		page, err := c.nodeTable(ctx, next)
		if err != nil {
			return nil, err
		}
		name, status := tableColumn(page, "Name"), tableColumn(page, "Status")
		if name < 0 || status < 0 {
			return nil, fmt.Errorf("read the table of nodes: it has no columns Name and Status")
		}
		for _, row := range page.Rows {
			if len(row.Cells) <= max(name, status) {
				continue
			}
			// «Ready,SchedulingDisabled», «NotReady», «Unknown»
			word, _, _ := strings.Cut(fmt.Sprint(row.Cells[status]), ",")
			states[fmt.Sprint(row.Cells[name])] = word == "Ready"
		}
		if next = page.Continue; next == "" {
			return states, nil
		}
	}
}

func (c *Client) nodeTable(ctx context.Context, next string) (*metav1.Table, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	request := c.rest.Get().AbsPath("/api/v1/nodes").SetHeader("Accept", tableOnly).Param("includeObject", string(metav1.IncludeNone)).
		Param("limit", strconv.Itoa(pageSize))
	if next != "" {
		request = request.Param("continue", next)
	}
	body, err := request.Do(ctx).Raw()
	if err != nil {
		return nil, wrap(ctx, err, "list nodes")
	}
	table := new(metav1.Table)
	if err := json.Unmarshal(body, table); err != nil {
		return nil, wrap(ctx, err, "read the table of nodes")
	}
	return table, nil
}

func tableColumn(t *metav1.Table, name string) int {
	return slices.IndexFunc(t.ColumnDefinitions, func(d metav1.TableColumnDefinition) bool { return d.Name == name })
}

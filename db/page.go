package db

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Page of a list.
type Page struct {
	Limit            int    // 0: no limit
	Marker           string // UUID of the last item of the page before; its number where items have no UUID
	SortKey, SortDir string // a column; asc or desc
}

var uuidShape = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

// page adds order, marker and limit to a query over table alias a. Null values sort last, whatever the direction.
func (s *Store) page(ctx context.Context, q *bun.SelectQuery, p Page, model any, a string) (*bun.SelectQuery, error) {
	table := s.db.Table(reflect.TypeOf(model))
	key := p.SortKey
	if key == "" {
		key = "id"
	}
	field, ok := table.FieldMap[key]
	if !ok || slices.Contains(unlisted(), key) {
		return nil, ErrBadSortKey
	}
	col := bun.Ident(a + "." + key)
	dir, after := bun.Safe("ASC"), bun.Safe(">")
	if p.SortDir == "desc" {
		dir, after = bun.Safe("DESC"), bun.Safe("<")
	}
	if p.Marker != "" {
		var m struct {
			ID   int64
			Null int
		}
		err := s.db.NewSelect().TableExpr("? AS ?", bun.Ident(table.Name), bun.Ident(a)).ColumnExpr("?.id AS id", bun.Ident(a)).
			ColumnExpr("CASE WHEN ? IS NULL THEN 1 ELSE 0 END AS is_null", col).Where("? = ?", bun.Ident(a+"."+markerColumn(table)), p.Marker).Scan(ctx, &m.ID, &m.Null)
		if err != nil {
			if err = wrap(err, "looking for the marker"); errors.Is(err, ErrNotFound) {
				return nil, ErrBadMarker
			}
			return nil, err
		}
		value := s.db.NewSelect().TableExpr("? AS mk", bun.Ident(table.Name)).ColumnExpr("?", bun.Ident("mk."+key)).Where("mk.id = ?", m.ID)
		switch {
		case key == "id":
			q = q.Where("? ? ?", col, after, m.ID)
		case m.Null == 1:
			q = q.Where("? IS NULL AND ? ? ?", col, bun.Ident(a+".id"), after, m.ID)
		default:
			q = q.Where("(? ? (?) OR (? = (?) AND ? ? ?) OR ? IS NULL)", col, after, value, col, value, bun.Ident(a+".id"), after, m.ID, col)
		}
	}
	if mayBeNull(field) {
		q = q.OrderExpr("CASE WHEN ? IS NULL THEN 1 ELSE 0 END", col)
	}
	if key != "id" {
		q = q.OrderExpr("? ?", col, dir)
	}
	q = q.OrderExpr("? ?", bun.Ident(a+".id"), dir)
	if p.Limit > 0 {
		q = q.Limit(int64(p.Limit))
	}
	return q, nil
}

// mayBeNull tells of a column whether it may be. Where it may not, nothing stands between an order and an index.
func mayBeNull(f *schema.Field) bool {
	switch f.StructField.Type.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return true
	}
	return false
}

// unlisted are columns that no list shows: they are not read for one, and none is sorted by them.
func unlisted() []string {
	return []string{"seq", "ssh_public_key", "spec", "secret_refs", "maintenance", "scheduled_at"}
}

// markerColumn is what a table's rows are known by to clients.
func markerColumn(t *schema.Table) string {
	if _, ok := t.FieldMap["uuid"]; ok {
		return "uuid"
	}
	return "id"
}

// byIdent is Magnum's rule: what looks like a UUID is only ever one; everything else is a name, or where rows have
// numbers, a number.
func byIdent(q *bun.SelectQuery, a, ident string, numbers bool) *bun.SelectQuery {
	if uuidShape.MatchString(ident) {
		return q.Where("? = ?", bun.Ident(a+".uuid"), ident)
	}
	if n, err := strconv.ParseInt(ident, 10, 64); err == nil && numbers {
		return q.Where("(? = ? OR ? = ?)", bun.Ident(a+".name"), ident, bun.Ident(a+".id"), n)
	}
	return q.Where("? = ?", bun.Ident(a+".name"), ident)
}

// one picks the one that was meant.
func one[T any](l []*T, err error, what string) (*T, error) {
	switch {
	case err != nil:
		return nil, wrap(err, "looking for a %s", what)
	case len(l) == 0:
		return nil, ErrNotFound
	case len(l) > 1:
		return nil, ErrAmbiguous
	}
	return l[0], nil
}

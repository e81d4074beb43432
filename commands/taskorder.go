package commands

import (
	"context"

	"moromi/internal/xmlrpc"
)

// orderKey is the key of a context's xmlrpc.Order.
type orderKey struct{}

// InOrder gives ctx the order in which the structs of the call that is carried out name their members: requests of tasks keep it, as Koji's do.
func InOrder(ctx context.Context, o *xmlrpc.Order) context.Context {
	if o.Empty() {
		return ctx
	}
	return context.WithValue(ctx, orderKey{}, o)
}

func orderOf(ctx context.Context) *xmlrpc.Order {
	o, _ := ctx.Value(orderKey{}).(*xmlrpc.Order)
	return o
}

package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import org.dpo4j.data.chat.jinja.Ast.Expr;

/** Compiles what a statement assigns to: names, attributes of namespaces, and tuples of both. */
final class TargetCompiler {
    private final ExpressionCompiler expressions;

    /** {@code expressions} compiles the names of namespaces, in the scope of the statement. */
    TargetCompiler(ExpressionCompiler expressions) {
        this.expressions = expressions;
    }

    /** Compiles the namespaces on the left of the dots in a target such as {@code ns.a, ns.b}. */
    List<Code> namespaces(Expr target) {
        List<Code> namespaces = new ArrayList<>();
        addNamespaces(target, namespaces);
        return namespaces;
    }

    private void addNamespaces(Expr target, List<Code> namespaces) {
        if (target instanceof Ast.NamespaceRef reference) {
            namespaces.add(expressions.compile(new Ast.Name(reference.name(), reference.position())));
        } else if (target instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(item -> addNamespaces(item, namespaces));
        }
    }

    /** Compiles the assignment. {@code scope} has the slots of the plain names of the target. */
    Code.Store compile(Expr target, Scope scope) {
        if (target instanceof Ast.TupleLiteral tuple) {
            List<Code.Store> stores =
                    tuple.items().stream().map(item -> compile(item, scope)).toList();
            return (frame, value) -> unpack(frame, value, stores);
        }
        if (target instanceof Ast.NamespaceRef reference) {
            Code namespace = expressions.compile(new Ast.Name(reference.name(), reference.position()));
            return (frame, value) -> {
                if (!(namespace.run(frame) instanceof Namespace object)) {
                    throw new TemplateError("only attributes of a namespace can be assigned");
                }
                object.set(reference.attribute(), value);
            };
        }
        String name = ((Ast.Name) target).name();
        int slot = Objects.requireNonNull(scope.symbols().reference(name)).slot();
        return (frame, value) -> frame.slots[slot] = value;
    }

    private static void unpack(Frame frame, Object value, List<Code.Store> stores) {
        List<Object> items = new ArrayList<>();
        Iterator<Object> iterator = Compare.iterate(value);
        while (iterator.hasNext() && items.size() <= stores.size()) {
            items.add(iterator.next());
        }
        if (items.size() != stores.size()) {
            throw new TemplateError("a value with " + stores.size() + " items is expected, not with "
                    + (items.size() > stores.size() ? "more" : items.size()));
        }
        for (int i = 0; i < items.size(); i++) {
            stores.get(i).run(frame, items.get(i));
        }
    }
}

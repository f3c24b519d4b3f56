package org.dpo4j.data.chat.jinja;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.jspecify.annotations.Nullable;

/** Visits all names in a part of a template, scopes inside it included, in the order of jinja2's nodes. */
final class NameWalk {
    /** Receives the names. */
    interface Visitor {
        void read(Ast.Name name);

        void assign(Ast.Name name);
    }

    private final Visitor visitor;

    NameWalk(Visitor visitor) {
        this.visitor = visitor;
    }

    /** Which of the names are read before they are assigned. */
    static Set<String> undeclared(List<Stmt> body, Set<String> names) {
        Set<String> left = new HashSet<>(names);
        Set<String> undeclared = new HashSet<>();
        new NameWalk(new Visitor() {
                    @Override
                    public void read(Ast.Name name) {
                        if (left.contains(name.name())) {
                            undeclared.add(name.name());
                        }
                    }

                    @Override
                    public void assign(Ast.Name name) {
                        left.remove(name.name());
                    }
                })
                .walk(body);
        return undeclared;
    }

    void walk(List<Stmt> body) {
        body.forEach(this::walk);
    }

    private void walk(Stmt statement) {
        if (statement instanceof Ast.Print print) {
            walk(print.value());
        } else if (statement instanceof Ast.If branches) {
            branches.branches().forEach(branch -> {
                walk(branch.test());
                walk(branch.body());
            });
            walk(branches.otherwise());
        } else if (statement instanceof Ast.For loop) {
            assign(loop.target());
            walk(loop.items());
            walk(loop.body());
            walk(loop.otherwise());
            walk(loop.test());
        } else if (statement instanceof Ast.SetValue set) {
            assign(set.target());
            walk(set.value());
        } else if (statement instanceof Ast.SetBlock set) {
            assign(set.target());
            walk(set.filter());
            walk(set.body());
        } else if (statement instanceof Ast.FilterBlock block) {
            walk(block.body());
            walk(block.filter());
        } else if (statement instanceof Ast.With with) {
            with.targets().forEach(this::assign);
            with.values().forEach(this::walk);
            walk(with.body());
        } else {
            walkFunction(statement);
        }
    }

    private void walkFunction(Stmt statement) {
        if (statement instanceof Ast.MacroBlock macro) {
            walk(macro.signature());
            walk(macro.body());
        } else if (statement instanceof Ast.CallBlock block) {
            walk(block.call());
            walk(block.signature());
            walk(block.body());
        } else if (statement instanceof Ast.Generation block) {
            walk(block.body());
        }
    }

    private void walk(Ast.Signature signature) {
        signature.parameters().forEach(this::assign);
        signature.defaults().forEach(this::walk);
    }

    private void assign(Expr target) {
        if (target instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(this::assign);
        } else if (target instanceof Ast.Name name) {
            visitor.assign(name);
        }
    }

    void walk(@Nullable Expr expression) {
        if (expression instanceof Ast.Name name) {
            visitor.read(name);
        } else if (expression instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(this::walk);
        } else if (expression instanceof Ast.ListLiteral list) {
            list.items().forEach(this::walk);
        } else if (expression instanceof Ast.DictLiteral dict) {
            dict.keys().forEach(this::walk);
            dict.values().forEach(this::walk);
        } else if (expression instanceof Ast.Conditional conditional) {
            walk(conditional.test());
            walk(conditional.then());
            walk(conditional.otherwise());
        } else if (expression instanceof Ast.Binary binary) {
            walk(binary.left());
            walk(binary.right());
        } else if (expression instanceof Ast.Unary unary) {
            walk(unary.operand());
        } else if (expression instanceof Ast.Concat concat) {
            concat.parts().forEach(this::walk);
        } else if (expression instanceof Ast.Comparison comparison) {
            walk(comparison.first());
            comparison.operands().forEach(operand -> walk(operand.value()));
        } else {
            walkAccess(expression);
        }
    }

    private void walkAccess(@Nullable Expr expression) {
        if (expression instanceof Ast.GetAttribute get) {
            walk(get.value());
        } else if (expression instanceof Ast.GetItem get) {
            walk(get.value());
            walk(get.key());
        } else if (expression instanceof Ast.GetSlice get) {
            walk(get.value());
            get.bounds().forEach(this::walk);
        } else if (expression instanceof Ast.Call call) {
            walk(call.function());
            walk(call.arguments());
        } else if (expression instanceof Ast.FilterCall filter) {
            walk(filter.value());
            walk(filter.arguments());
        } else if (expression instanceof Ast.TestCall test) {
            walk(test.value());
            walk(test.arguments());
        }
    }

    private void walk(Ast.CallArguments arguments) {
        arguments.positional().forEach(this::walk);
        arguments.named().forEach(keyword -> walk(keyword.value()));
        walk(arguments.unpacked());
        walk(arguments.unpackedNames());
    }
}

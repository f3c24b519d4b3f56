package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.dpo4j.data.chat.jinja.Code.Action;
import org.dpo4j.data.chat.jinja.Code.Flow;
import org.jspecify.annotations.Nullable;

/** Compiles statements. */
final class StatementCompiler {
    private final Scope scope;
    private final ExpressionCompiler expressions;
    private final TargetCompiler targets;
    private final MacroCompiler macros;

    StatementCompiler(Scope scope) {
        this.scope = scope;
        expressions = new ExpressionCompiler(scope);
        targets = new TargetCompiler(expressions);
        macros = new MacroCompiler(scope, StatementCompiler::compileIn);
    }

    /** The whole template. */
    static Macro.Definition compileTemplate(List<Stmt> body) {
        Scope root = Scope.root();
        new SymbolVisitor(root.symbols()).visitAll(body);
        Action action = compileIn(root, body);
        return new Macro.Definition(
                null, List.of(), List.of(), List.of(), -1, -1, -1, root.symbols(), new Enter(root.symbols()), action);
    }

    private static Action compileIn(Scope scope, List<Stmt> body) {
        return new StatementCompiler(scope).compileAll(body);
    }

    private Action compileAll(List<Stmt> body) {
        Action[] actions = body.stream().map(this::compile).toArray(Action[]::new);
        return frame -> {
            for (Action action : actions) {
                Flow flow = action.run(frame);
                if (flow != Flow.NEXT) {
                    return flow;
                }
            }
            return Flow.NEXT;
        };
    }

    private Action compile(Stmt statement) {
        if (statement instanceof Ast.Data data) {
            return frame -> {
                frame.print(data.text());
                return Flow.NEXT;
            };
        }
        if (statement instanceof Ast.Print print) {
            Code value = expressions.compile(print.value());
            return Action.at(print.position(), frame -> {
                frame.print(Text.str(frame.rendering.made(value.run(frame))));
                return Flow.NEXT;
            });
        }
        if (statement instanceof Ast.If branches) {
            return new StatementCompiler(scope.soft()).branches(branches);
        }
        if (statement instanceof Ast.For loop) {
            return Action.at(loop.position(), new LoopCompiler(scope, loop, StatementCompiler::compileIn).compile());
        }
        if (statement instanceof Ast.Jump jump) {
            if (scope.loops() == 0) {
                throw new TemplateError("break or continue outside of a loop", jump.position());
            }
            Flow flow = jump.isBreak() ? Flow.BREAK : Flow.CONTINUE;
            return frame -> flow;
        }
        return Action.at(statement.position(), block(statement));
    }

    private Action block(Stmt statement) {
        if (statement instanceof Ast.SetValue set) {
            return set(set);
        }
        if (statement instanceof Ast.SetBlock set) {
            return setBlock(set);
        }
        if (statement instanceof Ast.FilterBlock block) {
            return filterBlock(block);
        }
        if (statement instanceof Ast.With with) {
            return with(with);
        }
        if (statement instanceof Ast.MacroBlock macro) {
            Code.Store name = targets.compile(new Ast.Name(macro.name(), macro.position()), scope);
            Macro.Definition definition =
                    macros.compile(macro.name(), macro.signature(), macro.body(), "a macro", macro.position());
            return frame -> {
                name.run(frame, new Macro(definition, frame));
                return Flow.NEXT;
            };
        }
        if (statement instanceof Ast.CallBlock block) {
            Macro.Definition definition =
                    macros.compile(null, block.signature(), block.body(), "a call block", block.position());
            Code call = expressions.call(block.call(), frame -> new Macro(definition, frame));
            return frame -> {
                frame.print(Text.str(call.run(frame)));
                return Flow.NEXT;
            };
        }
        return generation((Ast.Generation) statement);
    }

    private Action branches(Ast.If branches) {
        List<Code> tests = new ArrayList<>();
        List<Action> bodies = new ArrayList<>();
        for (Ast.Branch branch : branches.branches()) {
            tests.add(expressions.compile(branch.test()));
            bodies.add(compileAll(branch.body()));
        }
        Action otherwise = compileAll(branches.otherwise());
        return frame -> {
            for (int i = 0; i < tests.size(); i++) {
                if (Compare.isTrue(tests.get(i).run(frame))) {
                    return bodies.get(i).run(frame);
                }
            }
            return otherwise.run(frame);
        };
    }

    private Action generation(Ast.Generation block) {
        if (scope.buffer() != null) {
            throw new TemplateError(
                    "a generation block inside of " + scope.buffer()
                            + " is not supported: transformers loses its place",
                    block.position());
        }
        Macro.Definition definition = macros.compile(
                null,
                new Ast.Signature(List.of(), List.of()),
                block.body(),
                "another generation block",
                block.position());
        return frame -> {
            int begin = frame.out.length();
            frame.print((String) new Macro(definition, frame).call(Arguments.NONE));
            frame.rendering.addGenerated(begin, frame.out.length());
            return Flow.NEXT;
        };
    }

    private Action set(Ast.SetValue set) {
        List<Code> namespaces = targets.namespaces(set.target());
        Code value = expressions.compile(set.value());
        Code.Store target = targets.compile(set.target(), scope);
        return frame -> {
            for (Code namespace : namespaces) {
                if (!(namespace.run(frame) instanceof Namespace)) {
                    throw new TemplateError("only attributes of a namespace can be assigned");
                }
            }
            target.run(frame, value.run(frame));
            return Flow.NEXT;
        };
    }

    /** A body whose output goes to a text of its own. */
    private record Buffered(
            Enter enter, Action body, @Nullable Code filtered) {
        /** The text, or null if a jump left the body. */
        @Nullable
        Object run(Frame frame, Flow[] flow) {
            StringBuilder outside = frame.out;
            frame.out = new StringBuilder();
            try {
                enter.run(frame);
                flow[0] = body.run(frame);
                if (flow[0] != Flow.NEXT) {
                    return null;
                }
                return filtered == null ? frame.out.toString() : filtered.run(frame);
            } finally {
                frame.out = outside;
            }
        }
    }

    private Action setBlock(Ast.SetBlock set) {
        Scope inner = scope.inner().buffered("a set block");
        new SymbolVisitor(inner.symbols()).visitAll(set.body());
        Buffered buffered = buffered(inner, set.body(), set.filter());
        Code.Store target = targets.compile(set.target(), scope);
        return frame -> {
            Flow[] flow = {Flow.NEXT};
            Object text = buffered.run(frame, flow);
            if (text != null) {
                target.run(frame, text);
                buffered.enter().leave(frame);
            }
            return flow[0];
        };
    }

    private static Buffered buffered(Scope inner, List<Stmt> body, @Nullable Expr filter) {
        Action action = compileIn(inner, body);
        Code filtered =
                filter == null ? null : new ExpressionCompiler(inner, frame -> frame.out.toString()).compile(filter);
        return new Buffered(new Enter(inner.symbols()), action, filtered);
    }

    private Action filterBlock(Ast.FilterBlock block) {
        Scope inner = scope.inner().buffered("a filter block");
        SymbolVisitor visitor = new SymbolVisitor(inner.symbols());
        visitor.visitAll(block.body());
        visitor.visit(block.filter());
        Buffered buffered = buffered(inner, block.body(), block.filter());
        return frame -> {
            Flow[] flow = {Flow.NEXT};
            Object text = buffered.run(frame, flow);
            if (text != null) {
                frame.print(Text.str(text));
                buffered.enter().leave(frame);
            }
            return flow[0];
        };
    }

    private Action with(Ast.With with) {
        Scope inner = scope.inner();
        SymbolVisitor visitor = new SymbolVisitor(inner.symbols());
        with.targets().forEach(target -> visitor.visitTarget(target, true));
        visitor.visitAll(with.body());
        List<Code> values = expressions.compileAll(with.values());
        List<Code.Store> stores = with.targets().stream()
                .map(target -> targets.compile(target, inner))
                .toList();
        Enter enter = new Enter(inner.symbols());
        Action body = compileIn(inner, with.body());
        return frame -> {
            enter.run(frame);
            for (int i = 0; i < values.size(); i++) {
                stores.get(i).run(frame, values.get(i).run(frame));
            }
            Flow flow = body.run(frame);
            if (flow == Flow.NEXT) {
                enter.leave(frame);
            }
            return flow;
        };
    }
}

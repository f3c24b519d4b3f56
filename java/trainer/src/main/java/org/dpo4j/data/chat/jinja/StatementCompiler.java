package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.dpo4j.data.chat.jinja.Code.Action;
import org.dpo4j.data.chat.jinja.Code.Flow;
import org.jspecify.annotations.Nullable;

/** Compiles statements. */
final class StatementCompiler {
    private final Scope scope;
    private final ExpressionCompiler expressions;

    StatementCompiler(Scope scope) {
        this.scope = scope;
        expressions = new ExpressionCompiler(scope);
    }

    /** The whole template. */
    static Macro.Definition compileTemplate(List<Stmt> body) {
        Scope root = Scope.root();
        new SymbolVisitor(root.symbols()).visitAll(body);
        Action action = new StatementCompiler(root).compileAll(body);
        return new Macro.Definition(
                null, List.of(), List.of(), List.of(), -1, -1, -1, root.symbols(), new Enter(root.symbols()), action);
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
            return Action.at(loop.position(), new Loops(loop).compile());
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
            Code.Store name = store(new Ast.Name(macro.name(), macro.position()), scope, false);
            Macro.Definition definition =
                    macro(macro.name(), macro.signature(), macro.body(), "a macro", macro.position());
            return frame -> {
                name.run(frame, new Macro(definition, frame));
                return Flow.NEXT;
            };
        }
        if (statement instanceof Ast.CallBlock block) {
            Macro.Definition definition =
                    macro(null, block.signature(), block.body(), "a call block", block.position());
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
        Macro.Definition definition = macro(
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

    private Macro.Definition macro(
            @Nullable String name, Ast.Signature signature, List<Stmt> body, String buffer, Position position) {
        Scope inner = scope.function(buffer);
        Symbols symbols = inner.symbols();
        analyse(signature, body, symbols);
        List<Integer> slots = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (Ast.Name parameter : signature.parameters()) {
            Symbols.Variable variable = Objects.requireNonNull(symbols.reference(parameter.name()));
            inner.pending().add(variable);
            slots.add(variable.slot());
            names.add(parameter.name());
        }
        if (names.contains("caller")) {
            throw new TemplateError("a parameter named caller is not supported", position);
        }
        Set<String> undeclared = NameWalk.undeclared(body, Set.of("caller", "kwargs", "varargs"));
        int caller = special("caller", undeclared, names, symbols);
        int named = special("kwargs", undeclared, names, symbols);
        int rest = special("varargs", undeclared, names, symbols);
        analyse(signature, body, symbols);
        List<@Nullable Code> defaults = defaults(signature, inner);
        Action action = new StatementCompiler(inner).compileAll(body);
        return new Macro.Definition(
                name, names, slots, defaults, caller, named, rest, symbols, new Enter(symbols), action);
    }

    private static void analyse(Ast.Signature signature, List<Stmt> body, Symbols symbols) {
        SymbolVisitor visitor = new SymbolVisitor(symbols);
        signature.parameters().forEach(parameter -> visitor.visitTarget(parameter, true));
        signature.defaults().forEach(visitor::visit);
        visitor.visitAll(body);
    }

    private static int special(String name, Set<String> undeclared, List<String> parameters, Symbols symbols) {
        return undeclared.contains(name) && !parameters.contains(name)
                ? symbols.declareParameter(name).slot()
                : -1;
    }

    /** Compiled defaults; each sees the parameters before it. */
    private static List<@Nullable Code> defaults(Ast.Signature signature, Scope inner) {
        List<@Nullable Code> defaults = new ArrayList<>();
        int without = signature.parameters().size() - signature.defaults().size();
        ExpressionCompiler compiler = new ExpressionCompiler(inner);
        for (int i = 0; i < signature.parameters().size(); i++) {
            defaults.add(
                    i < without ? null : compiler.compile(signature.defaults().get(i - without)));
            Ast.Name parameter = signature.parameters().get(i);
            inner.pending().remove(inner.symbols().reference(parameter.name()));
        }
        return defaults;
    }

    private Action set(Ast.SetValue set) {
        List<Code> namespaces = new ArrayList<>();
        addNamespaces(set.target(), namespaces);
        Code value = expressions.compile(set.value());
        Code.Store target = store(set.target(), scope, false);
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

    private void addNamespaces(Expr target, List<Code> namespaces) {
        if (target instanceof Ast.NamespaceRef reference) {
            namespaces.add(expressions.compile(new Ast.Name(reference.name(), reference.position())));
        } else if (target instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(item -> addNamespaces(item, namespaces));
        }
    }

    /** A target. Its names are those of the scope; what is right of a namespace is one of its attributes. */
    private Code.Store store(Expr target, Scope scope, boolean isLoop) {
        if (target instanceof Ast.TupleLiteral tuple) {
            List<Code.Store> stores = tuple.items().stream()
                    .map(item -> store(item, scope, isLoop))
                    .toList();
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
        Code.Store target = store(set.target(), scope, false);
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
        Action action = new StatementCompiler(inner).compileAll(body);
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
        List<Code.Store> targets = with.targets().stream()
                .map(target -> store(target, inner, false))
                .toList();
        Enter enter = new Enter(inner.symbols());
        Action body = new StatementCompiler(inner).compileAll(with.body());
        return frame -> {
            enter.run(frame);
            for (int i = 0; i < values.size(); i++) {
                targets.get(i).run(frame, values.get(i).run(frame));
            }
            Flow flow = body.run(frame);
            if (flow == Flow.NEXT) {
                enter.leave(frame);
            }
            return flow;
        };
    }

    /** Compiles a loop. */
    private final class Loops {
        private final Ast.For loop;
        private final Scope inner;
        private final @Nullable Integer loopSlot;

        Loops(Ast.For loop) {
            this.loop = loop;
            boolean isExtended = loop.isRecursive()
                    || NameWalk.undeclared(loop.body(), Set.of("loop")).contains("loop");
            new NameWalk(new NameWalk.Visitor() {
                        @Override
                        public void read(Ast.Name name) {
                            // may be read
                        }

                        @Override
                        public void assign(Ast.Name name) {
                            if (name.name().equals("loop")) {
                                throw new TemplateError("the name loop cannot be assigned in a loop", name.position());
                            }
                        }
                    })
                    .walk(List.of(loop));
            Scope place = loop.isRecursive() ? scope.function("a recursive loop") : scope.inner();
            inner = place.loop(loop.position());
            loopSlot = isExtended ? inner.symbols().declareParameter("loop").slot() : null;
            SymbolVisitor visitor = new SymbolVisitor(inner.symbols());
            visitor.visitTarget(loop.target(), true);
            visitor.visitAll(loop.body());
        }

        Action compile() {
            Code items = expressions.compile(loop.items());
            LoopCode body = body();
            if (!loop.isRecursive()) {
                return frame -> body.run(frame, frame, items.run(frame), null, 0);
            }
            int slots = inner.symbols().function().slots();
            return frame -> {
                frame.print(Text.str(new LoopCode.Recursive(body, slots, frame).render(items.run(frame), 0)));
                return Flow.NEXT;
            };
        }

        private LoopCode body() {
            Code.Store target = store(loop.target(), inner, true);
            Enter enter = new Enter(inner.symbols());
            Action action = new StatementCompiler(inner).compileAll(loop.body());
            Scope last = loop.isRecursive() ? inner : scope;
            Scope otherwise = new Scope(
                    new Symbols(scope.symbols(), last.symbols().function()),
                    false,
                    last.buffer(),
                    loop.isRecursive() ? 0 : scope.loops(),
                    new HashSet<>());
            new SymbolVisitor(otherwise.symbols()).visitAll(loop.otherwise());
            Action otherwiseAction = new StatementCompiler(otherwise).compileAll(loop.otherwise());
            return new LoopCode(
                    loopSlot,
                    test(),
                    target,
                    enter,
                    action,
                    loop.otherwise().isEmpty() ? null : otherwiseAction,
                    new Enter(otherwise.symbols()));
        }

        private LoopCode.@Nullable Condition test() {
            if (loop.test() == null) {
                return null;
            }
            Scope tested = scope.inner();
            SymbolVisitor visitor = new SymbolVisitor(tested.symbols());
            visitor.visitTarget(loop.target(), true);
            visitor.visit(loop.test());
            return new LoopCode.Condition(
                    new Enter(tested.symbols()),
                    store(loop.target(), tested, true),
                    new ExpressionCompiler(tested).compile(loop.test()));
        }
    }
}

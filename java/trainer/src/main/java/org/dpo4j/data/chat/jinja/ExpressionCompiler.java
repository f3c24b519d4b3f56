package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.jspecify.annotations.Nullable;

/** Compiles expressions. */
final class ExpressionCompiler {
    private final Scope scope;

    /** The output of a filter block or set block, to which the first filter applies. */
    private final @Nullable Code block;

    ExpressionCompiler(Scope scope) {
        this(scope, null);
    }

    ExpressionCompiler(Scope scope, @Nullable Code block) {
        this.scope = scope;
        this.block = block;
    }

    List<Code> compileAll(List<Expr> expressions) {
        return expressions.stream().map(this::compile).toList();
    }

    Code compile(Expr expression) {
        if (expression instanceof Ast.Const constant) {
            Object value = constant.value();
            return frame -> value;
        }
        if (expression instanceof Ast.Name name) {
            return name(name);
        }
        if (expression instanceof Ast.TupleLiteral tuple) {
            List<Code> items = compileAll(tuple.items());
            return frame -> new Tuple(run(items, frame));
        }
        if (expression instanceof Ast.ListLiteral list) {
            List<Code> items = compileAll(list.items());
            return frame -> run(items, frame);
        }
        if (expression instanceof Ast.DictLiteral dict) {
            return Code.at(dict.position(), dict(dict));
        }
        if (expression instanceof Ast.Conditional conditional) {
            return conditional(conditional);
        }
        if (expression instanceof Ast.Binary binary) {
            return binary(binary);
        }
        if (expression instanceof Ast.Unary unary) {
            return unary(unary);
        }
        return Code.at(expression.position(), access(expression));
    }

    private Code access(Expr expression) {
        if (expression instanceof Ast.Concat concat) {
            List<Code> parts = compileAll(concat.parts());
            return frame ->
                    frame.rendering.made(Strings.join("", run(parts, frame).iterator()));
        }
        if (expression instanceof Ast.Comparison comparison) {
            return comparison(comparison);
        }
        if (expression instanceof Ast.GetAttribute get) {
            Code value = compile(get.value());
            return frame -> Attributes.attribute(value.run(frame), get.name());
        }
        if (expression instanceof Ast.GetItem get) {
            Code value = compile(get.value());
            Code key = compile(get.key());
            return frame -> Attributes.item(value.run(frame), key.run(frame));
        }
        if (expression instanceof Ast.GetSlice get) {
            return slice(get);
        }
        if (expression instanceof Ast.Call call) {
            return call(call, null);
        }
        if (expression instanceof Ast.FilterCall filter) {
            return filter(filter);
        }
        if (expression instanceof Ast.TestCall test) {
            return test(test);
        }
        throw new TemplateError("a namespace's attribute can only be a target", expression.position());
    }

    private static List<Object> run(List<Code> items, Frame frame) {
        List<Object> values = new ArrayList<>(items.size());
        for (Code item : items) {
            values.add(item.run(frame));
        }
        return values;
    }

    private Code name(Ast.Name name) {
        Symbols symbols = scope.symbols();
        Symbols.Variable variable = symbols.reference(name.name());
        Symbols.Load load = variable == null ? null : symbols.load(variable);
        if (variable == null || load == null) {
            throw new TemplateError("jinja2 does not find the name " + name.name() + " here", name.position());
        }
        int levels = symbols.function().depth - variable.function().depth;
        int slot = variable.slot();
        if (load.kind() == Symbols.Kind.PARAMETER && !scope.pending().contains(variable)) {
            return frame -> {
                Object value = frame.up(levels).slots[slot];
                if (value == null) {
                    throw new TemplateError(
                            "the name " + name.name() + " is used outside of its loop or block", name.position());
                }
                return value;
            };
        }
        Undefined undefined = Undefined.name(name.name());
        return frame -> {
            Object value = frame.up(levels).slots[slot];
            return value == null ? undefined : value;
        };
    }

    private Code dict(Ast.DictLiteral dict) {
        List<Code> keys = compileAll(dict.keys());
        List<Code> values = compileAll(dict.values());
        return frame -> {
            Dict result = new Dict();
            for (int i = 0; i < keys.size(); i++) {
                Object key = keys.get(i).run(frame);
                result.put(key, values.get(i).run(frame));
            }
            return result;
        };
    }

    private Code conditional(Ast.Conditional conditional) {
        ExpressionCompiler soft = new ExpressionCompiler(scope.soft(), block);
        Code test = soft.compile(conditional.test());
        Code then = soft.compile(conditional.then());
        Expr last = conditional.otherwise();
        Undefined undefined = new Undefined(
                "the if without else in line " + conditional.position().line() + " is false, so it has no value");
        Code otherwise = last == null ? frame -> undefined : soft.compile(last);
        return frame -> Compare.isTrue(test.run(frame)) ? then.run(frame) : otherwise.run(frame);
    }

    private Code binary(Ast.Binary binary) {
        Code left = compile(binary.left());
        Code right = compile(binary.right());
        return switch (binary.operator()) {
            case "and" ->
                frame -> {
                    Object value = left.run(frame);
                    return Compare.isTrue(value) ? right.run(frame) : value;
                };
            case "or" ->
                frame -> {
                    Object value = left.run(frame);
                    return Compare.isTrue(value) ? value : right.run(frame);
                };
            default ->
                Code.at(
                        binary.position(),
                        frame -> frame.rendering.made(
                                Operators.apply(binary.operator(), left.run(frame), right.run(frame))));
        };
    }

    private Code unary(Ast.Unary unary) {
        Code operand = compile(unary.operand());
        return switch (unary.operator()) {
            case "not" -> frame -> !Compare.isTrue(operand.run(frame));
            case "-" -> Code.at(unary.position(), frame -> Arithmetic.negate(operand.run(frame)));
            default -> Code.at(unary.position(), frame -> Arithmetic.plus(operand.run(frame)));
        };
    }

    private Code comparison(Ast.Comparison comparison) {
        Code first = compile(comparison.first());
        List<Code> values = comparison.operands().stream()
                .map(operand -> compile(operand.value()))
                .toList();
        List<String> operators =
                comparison.operands().stream().map(Ast.Operand::operator).toList();
        return frame -> {
            frame.rendering.step();
            Object left = first.run(frame);
            for (int i = 0; i < values.size(); i++) {
                Object right = values.get(i).run(frame);
                if (!compare(operators.get(i), left, right)) {
                    return false;
                }
                left = right;
            }
            return true;
        };
    }

    private static boolean compare(String operator, Object left, Object right) {
        return switch (operator) {
            case "==" -> Compare.equal(left, right);
            case "!=" -> !Compare.equal(left, right);
            case "in" -> Compare.contains(right, left);
            case "not in" -> !Compare.contains(right, left);
            case "<" -> Compare.order(left, right) < 0;
            case "<=" -> Compare.order(left, right) <= 0;
            case ">" -> Compare.order(left, right) > 0;
            default -> Compare.order(left, right) >= 0;
        };
    }

    private Code slice(Ast.GetSlice get) {
        Code value = compile(get.value());
        List<Code> bounds = new ArrayList<>();
        for (Expr bound : get.bounds()) {
            bounds.add(bound == null ? frame -> None.NONE : compile(bound));
        }
        return frame -> {
            Object sliced = value.run(frame);
            List<Object> values = run(bounds, frame);
            return frame.rendering.made(Slices.slice(sliced, values.get(0), values.get(1), values.get(2)));
        };
    }

    /** A call; the macro of a call block is passed as caller. */
    Code call(Ast.Call call, @Nullable Code caller) {
        Code function = compile(call.function());
        ArgumentsCode arguments = arguments(call.arguments(), caller, call.position());
        return frame -> {
            Object callee = function.run(frame);
            Arguments values = arguments.run(frame);
            if (callee instanceof Undefined undefined) {
                throw undefined.error();
            }
            if (!(callee instanceof PyObject.Callable callable)) {
                throw new TemplateError("a value of type " + Types.name(callee) + " cannot be called");
            }
            return frame.rendering.made(callable.call(values));
        };
    }

    /** Compiled arguments. */
    private interface ArgumentsCode {
        Arguments run(Frame frame);
    }

    private ArgumentsCode arguments(Ast.CallArguments arguments, @Nullable Code caller, Position position) {
        List<Code> positional = compileAll(arguments.positional());
        Map<String, Code> named = new LinkedHashMap<>();
        arguments.named().forEach(keyword -> named.put(keyword.name(), compile(keyword.value())));
        if (caller != null && named.put("caller", caller) != null) {
            throw new TemplateError("the argument caller is given twice", position);
        }
        Code unpacked = arguments.unpacked() == null ? null : compile(arguments.unpacked());
        Code unpackedNames = arguments.unpackedNames() == null ? null : compile(arguments.unpackedNames());
        if (positional.isEmpty() && named.isEmpty() && unpacked == null && unpackedNames == null) {
            return frame -> Arguments.NONE;
        }
        return frame -> {
            List<Object> values = run(positional, frame);
            Map<String, Object> names = named.isEmpty() && unpackedNames == null ? Map.of() : new LinkedHashMap<>();
            if (unpacked != null) {
                Compare.iterate(unpacked.run(frame)).forEachRemaining(values::add);
            }
            named.forEach((name, code) -> names.put(name, code.run(frame)));
            if (unpackedNames != null) {
                unpack(unpackedNames.run(frame), names);
            }
            return new Arguments(values, names);
        };
    }

    private static void unpack(Object value, Map<String, Object> names) {
        if (!(value instanceof Dict dict)) {
            throw new TemplateError("** of a value of type " + Types.name(value) + ", which is no dict");
        }
        Iterator<Object> values = dict.values().iterator();
        for (Object key : dict.keys()) {
            if (names.put(Text.expect(key, "the name of an argument"), values.next()) != null) {
                throw new TemplateError("the argument " + key + " is given twice");
            }
        }
    }

    private Code filter(Ast.FilterCall call) {
        Code value = call.value() != null ? compile(call.value()) : block;
        if (value == null) {
            throw new TemplateError("a filter without a value", call.position());
        }
        ArgumentsCode arguments = arguments(call.arguments(), null, call.position());
        Filter filter = Filters.find(call.name());
        if (filter == null) {
            return unknown(Filters.absence(call.name()), call.position());
        }
        return frame -> frame.rendering.made(filter.apply(value.run(frame), arguments.run(frame)));
    }

    private Code unknown(String message, Position position) {
        TemplateError error = new TemplateError(message, position);
        if (!scope.isSoft()) {
            throw error;
        }
        return frame -> {
            throw error;
        };
    }

    private Code test(Ast.TestCall call) {
        Code value = compile(call.value());
        ArgumentsCode arguments = arguments(call.arguments(), null, call.position());
        Tests.Test test = Tests.find(call.name());
        if (test == null) {
            return unknown("no test named " + call.name(), call.position());
        }
        return frame -> {
            frame.rendering.step();
            return test.holds(value.run(frame), arguments.run(frame));
        };
    }
}

package org.dpo4j.data.chat.jinja;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The names of one scope, and what each refers to. jinja2 decides that when it compiles a template, by the order in which
 * a scope reads and assigns names; this class follows its module idtracking step by step.
 */
final class Symbols {
    /** A function of the compiled template: its variables live as long as one call of it. */
    static final class FunctionScope {
        final int depth;
        private int slots;

        FunctionScope(@Nullable FunctionScope outer) {
            depth = outer == null ? 0 : outer.depth + 1;
        }

        int slots() {
            return slots;
        }
    }

    /** A variable: a slot of the frame of a function. */
    record Variable(FunctionScope function, int slot) {
        @Override
        public boolean equals(@Nullable Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    enum Kind {
        /** What assigns it is part of the scope: a parameter, the target of a loop. */
        PARAMETER,
        /** The value that the caller of the template gives. */
        RESOLVE,
        /** The value of a variable of an outer scope. */
        ALIAS,
        /** Nothing, until it is assigned. */
        UNDEFINED
    }

    /** What a variable holds where its scope begins. */
    record Load(Kind kind, String name, @Nullable Variable source) {}

    private final @Nullable Symbols parent;
    private final FunctionScope function;

    /** The variables of this scope, also those of branches that are not merged yet. */
    private final Map<String, Variable> variables;

    private final Map<String, Variable> references;
    private final Map<Variable, Load> loads;
    private final Set<String> stores;

    Symbols(@Nullable Symbols parent, FunctionScope function) {
        this.parent = parent;
        this.function = function;
        variables = new HashMap<>();
        references = new HashMap<>();
        loads = new LinkedHashMap<>();
        stores = new HashSet<>();
    }

    private Symbols(Symbols original) {
        parent = original.parent;
        function = original.function;
        variables = original.variables;
        references = new HashMap<>(original.references);
        loads = new LinkedHashMap<>(original.loads);
        stores = new HashSet<>(original.stores);
    }

    /** The symbols of a branch, which {@link #merge} joins. */
    Symbols branch() {
        return new Symbols(this);
    }

    FunctionScope function() {
        return function;
    }

    Map<Variable, Load> loads() {
        return loads;
    }

    private Variable define(String name, Kind kind, @Nullable Variable source) {
        Variable variable = variables.computeIfAbsent(name, any -> new Variable(function, function.slots++));
        references.put(name, variable);
        loads.put(variable, new Load(kind, name, source));
        return variable;
    }

    private @Nullable Variable find(String name) {
        Variable variable = references.get(name);
        return variable != null || parent == null ? variable : parent.find(name);
    }

    /** The variable that a name refers to; null if the scope never saw the name. */
    @Nullable
    Variable reference(String name) {
        return find(name);
    }

    @Nullable
    Load load(Variable variable) {
        Load load = loads.get(variable);
        return load != null || parent == null ? load : parent.load(variable);
    }

    void store(String name) {
        stores.add(name);
        if (references.containsKey(name)) {
            return;
        }
        Variable outer = parent == null ? null : parent.find(name);
        define(name, outer == null ? Kind.UNDEFINED : Kind.ALIAS, outer);
    }

    Variable declareParameter(String name) {
        stores.add(name);
        return define(name, Kind.PARAMETER, null);
    }

    void read(String name) {
        if (find(name) == null) {
            define(name, Kind.RESOLVE, null);
        }
    }

    /** Joins the branches of an if: a name that only some of them assign has its outer value before. */
    void merge(List<Symbols> branches) {
        Set<String> assigned = new HashSet<>();
        branches.forEach(branch -> assigned.addAll(branch.stores));
        assigned.removeAll(stores);
        for (Symbols branch : branches) {
            references.putAll(branch.references);
            loads.putAll(branch.loads);
            stores.addAll(branch.stores);
        }
        for (String name : assigned) {
            Variable outer = parent == null ? null : parent.find(name);
            define(name, outer == null ? Kind.RESOLVE : Kind.ALIAS, outer);
        }
    }
}

package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;

/**
 * The weight files of a model, as transformers' {@code save_pretrained} divides them. Tensors are taken in the order of
 * their names, whose numbers count as numbers. A file ends before the tensor with which it would exceed the max size. A
 * tensor that exceeds it alone has a file of its own, which does not end the file before.
 *
 * @param files the tensors of each file, in the order in which they are written
 */
record Shards(Map<String, List<SafeTensors.Plan>> files) {

    /** transformers sorts while the head has this name, and renames it to the family's afterwards. */
    private static final String HEAD = "lm_head.weight";

    /** The order within a file: of safetensors' own writer. */
    private static final Comparator<SafeTensors.Plan> WRITTEN =
            Comparator.comparing(Shards::precedence).thenComparing(SafeTensors.Plan::name);

    /** Divides tensors into files of at most {@code maxBytes}. */
    static Shards divide(List<SafeTensors.Plan> tensors, String headName, long maxBytes) {
        List<SafeTensors.Plan> ordered = tensors.stream()
                .sorted(Comparator.comparing(
                        (SafeTensors.Plan plan) -> plan.name().equals(headName) ? HEAD : plan.name(), Shards::compare))
                .toList();
        List<List<SafeTensors.Plan>> shards = new ArrayList<>();
        List<SafeTensors.Plan> current = new ArrayList<>();
        long bytes = 0;
        for (SafeTensors.Plan plan : ordered) {
            if (plan.bytes() > maxBytes) {
                shards.add(List.of(plan));
                continue;
            }
            if (bytes + plan.bytes() > maxBytes) {
                shards.add(current);
                current = new ArrayList<>();
                bytes = 0;
            }
            current.add(plan);
            bytes += plan.bytes();
        }
        if (!current.isEmpty()) {
            shards.add(current);
        }
        Map<String, List<SafeTensors.Plan>> files = new LinkedHashMap<>();
        for (int i = 0; i < shards.size(); i++) {
            files.put(
                    shards.size() == 1
                            ? CompleteModel.ONE
                            : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size()),
                    written(shards.get(i)));
        }
        return new Shards(files);
    }

    /** The tensors of one file, in the order in which they are written. */
    static List<SafeTensors.Plan> written(List<SafeTensors.Plan> tensors) {
        return tensors.stream().sorted(WRITTEN).toList();
    }

    /** Whether an index is needed. */
    boolean isSharded() {
        return files.size() > 1;
    }

    /** {@code model.safetensors.index.json}. */
    ObjectNode index() {
        Map<String, String> fileOf = new TreeMap<>();
        long bytes = 0;
        long elements = 0;
        for (Map.Entry<String, List<SafeTensors.Plan>> file : files.entrySet()) {
            for (SafeTensors.Plan plan : file.getValue()) {
                fileOf.put(plan.name(), file.getKey());
                bytes += plan.bytes();
                elements +=
                        plan.bytes() / SavedDtype.stored(plan.dtype()).storage().bytes();
            }
        }
        ObjectNode index = JsonFile.object();
        index.putObject("metadata").put("total_parameters", elements).put("total_size", bytes);
        ObjectNode map = index.putObject("weight_map");
        fileOf.forEach(map::put);
        return index;
    }

    private static int precedence(SafeTensors.Plan plan) {
        return switch (SavedDtype.stored(plan.dtype())) {
            case FLOAT32 -> 0;
            case BFLOAT16 -> 1;
            case FLOAT16 -> 2;
        };
    }

    /** Compares names part by part; numbers are before other parts, and ordered by value. */
    private static int compare(String left, String right) {
        String[] a = left.split("\\.", -1);
        String[] b = right.split("\\.", -1);
        for (int i = 0; i < Math.min(a.length, b.length); i++) {
            boolean isNumber = isNumber(a[i]);
            int order = isNumber != isNumber(b[i])
                    ? isNumber ? -1 : 1
                    : isNumber ? Integer.compare(Integer.parseInt(a[i]), Integer.parseInt(b[i])) : a[i].compareTo(b[i]);
            if (order != 0) {
                return order;
            }
        }
        return Integer.compare(a.length, b.length);
    }

    private static boolean isNumber(String part) {
        return part.matches("[0-9]{1,9}");
    }
}

package org.dpo4j.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Recognises, by the names of the tensors in a file, which tool wrote them with other names than the model's.
 *
 * @param directory directory that holds the file
 * @param names tensors in the file
 * @param expected tensors of the model
 * @param bodyPrefix {@link org.dpo4j.model.family.Family#bodyPrefix}
 */
record TensorNames(Path directory, Set<String> names, List<String> expected, String bodyPrefix) {

    /** Prefixes that tools put before every name, and how to save the model without them. */
    private static final Map<String, String> WRITERS = Map.of(
            "module.", "DataParallel, DDP or DeepSpeed wrote it: save model.module",
            "_orig_mod.", "torch.compile wrote it: save model._orig_mod",
            "base_model.model.", "PEFT wrote it: merge the adapter (merge_and_unload) and save what that returns",
            "pretrained_model.", "a TRL model with a value head wrote it: save model.pretrained_model",
            "_fsdp_wrapped_module.", "FSDP wrote it: gather its full state dict and save that");

    /** Throws, with advice, if the names have a known error. */
    void check() {
        if (names.stream().anyMatch(name -> name.contains(".lora_A.") || name.contains(".lora_B."))) {
            throw new Dpo4jException(directory + " holds tensors of a LoRA adapter (" + any(".lora_A.", ".lora_B.")
                    + "); merge it into its base model first (merge_and_unload of PEFT), and give that directory");
        }
        @Nullable String prefix = addedPrefix();
        if (prefix != null) {
            throw new Dpo4jException(directory + ": the names of its tensors begin with \"" + prefix + "\" (" + prefix
                    + expected.get(0) + "); " + writer(prefix)
                    + ", or rename them like " + expected.get(0));
        }
        checkBodyPrefix();
    }

    /** Throws if most names lack {@code bodyPrefix}, or have one other prefix instead, and no name begins with it. */
    private void checkBodyPrefix() {
        Set<String> bodies = expected.stream()
                .filter(name -> name.startsWith(bodyPrefix))
                .map(name -> name.substring(bodyPrefix.length()))
                .collect(Collectors.toSet());
        Map<String, List<String>> byPrefix = new TreeMap<>();
        for (String name : names) {
            String body = name;
            while (!body.isEmpty() && !bodies.contains(body)) {
                body = body.substring(body.indexOf('.') < 0 ? body.length() : body.indexOf('.') + 1);
            }
            if (!body.isEmpty()) {
                String prefix = name.substring(0, name.length() - body.length());
                byPrefix.computeIfAbsent(prefix, absent -> new ArrayList<>()).add(body);
            }
        }
        if (byPrefix.isEmpty() || byPrefix.containsKey(bodyPrefix)) {
            return;
        }
        var commonest = Collections.max(
                byPrefix.entrySet(),
                Comparator.comparingInt(entry -> entry.getValue().size()));
        if (2 * commonest.getValue().size() < Math.min(bodies.size(), names.size())) {
            return;
        }
        String prefix = commonest.getKey();
        String body = expected.stream()
                .filter(name -> name.startsWith(bodyPrefix))
                .map(name -> name.substring(bodyPrefix.length()))
                .filter(commonest.getValue()::contains)
                .findFirst()
                .orElseThrow();
        String example = " (" + prefix + body + " instead of " + bodyPrefix + body + "); ";
        throw new Dpo4jException(directory + ": the names of its tensors "
                + (prefix.isEmpty()
                        ? "lack \"" + bodyPrefix + "\"" + example
                                + "save the whole model as AutoModelForCausalLM, not its inner"
                                + " model alone, or rename them"
                        : "begin with \"" + prefix + "\" instead of \"" + bodyPrefix + "\"" + example
                                + "rename them, or save the model as AutoModelForCausalLM"));
    }

    private String any(String... parts) {
        return names.stream()
                .filter(name -> List.of(parts).stream().anyMatch(name::contains))
                .findFirst()
                .orElseThrow();
    }

    /** The prefix that a name in the file has before an expected name; null if there is none. */
    private @Nullable String addedPrefix() {
        for (String wanted : expected) {
            if (!wanted.startsWith(bodyPrefix)) {
                continue; // before the head's name, a prefix may replace bodyPrefix rather than be added to it
            }
            if (names.contains(wanted)) {
                return null;
            }
            for (String name : names) {
                if (name.endsWith("." + wanted)) {
                    return name.substring(0, name.length() - wanted.length());
                }
            }
        }
        return null;
    }

    private static String writer(String prefix) {
        return WRITERS.entrySet().stream()
                .filter(writer -> prefix.startsWith(writer.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("save the inner model alone");
    }
}

package org.dpo4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.LoraConfig;
import org.jspecify.annotations.Nullable;

/**
 * What a run must have in common with the run whose checkpoint it goes on from.
 *
 * @param options options that change the weights, by name
 * @param data SHA-256 of the rows
 * @param reference SHA-256 of the reference's weights before the first step; empty if there is none
 */
record RunIdentity(Map<String, String> options, String data, String reference) {
    /** Options that a resumed run may change. Those of the number of steps also change the learning rate's schedule. */
    private static final Set<String> MAY_CHANGE = Set.of(
            "dataset_cache",
            "dataset_cache_dir",
            "dataset_name",
            "download",
            "early_stopping_patience",
            "early_stopping_threshold",
            "eval_dataset",
            "eval_delay",
            "eval_on_start",
            "eval_steps",
            "eval_strategy",
            "generate_during_eval",
            "generation_max_new_tokens",
            "generation_num_prompts",
            "generation_temperature",
            "gradient_checkpointing",
            "logging_dir",
            "logging_first_step",
            "logging_steps",
            "max_nonfinite_steps",
            "max_shard_size",
            "max_steps",
            "num_train_epochs",
            "on_failed_checkpoint",
            "output_dir",
            "overwrite_output_dir",
            "per_device_eval_batch_size",
            "precompute_ref_log_probs",
            "reference_cache",
            "reference_cache_dir",
            "report_to",
            "resume_from_checkpoint",
            "run_name",
            "save_dtype",
            "save_only_model",
            "save_steps",
            "save_strategy",
            "save_total_limit");

    /** Options whose meaning {@link #find} adds under one name, or that change no bit. */
    private static final Set<String> COVERED =
            Set.of("bf16", "bnb_4bit_compute_dtype", "cuda_graphs", "group_by_length");

    /** The value of options that are left out, where it is always the same. */
    private static final Map<String, String> DEFAULTS = Map.ofEntries(
            Map.entry("bnb_4bit_quant_type", "nf4"),
            Map.entry("dataset_test_split", "test"),
            Map.entry("dataset_train_split", "train"),
            Map.entry("load_in_4bit", "false"),
            Map.entry("model_revision", "main"),
            Map.entry("neftune_noise_alpha", "0.0"),
            Map.entry("ref_model_mixup_alpha", "0.6"),
            Map.entry("ref_model_revision", "main"),
            Map.entry("ref_model_sync_steps", "512"),
            Map.entry("sync_ref_model", "false"),
            Map.entry("truncation_mode", "keep_start"),
            Map.entry("use_bnb_nested_quant", "false"));

    /** An option that is left out is the same as its default. */
    static RunIdentity find(TrainOptions options, Objective objective, @Nullable String reference) {
        Map<String, String> fixed = new TreeMap<>();
        options.values().forEach((name, value) -> {
            if (!MAY_CHANGE.contains(name) && !COVERED.contains(name)) {
                fixed.put(name, value.toString());
            }
        });
        DEFAULTS.forEach(fixed::remove);
        fixed.put(
                "max_length",
                Integer.toString(options.maxLengthFor(objective.model().architecture())));
        fixed.put("train_sampling_strategy", options.step().samplingStrategy().toString());
        if (options.bestModel().isTracked()) {
            fixed.put("metric_for_best_model", options.bestModel().metric());
            boolean isGreaterBetter =
                    options.bestModel().isGreaterBetter(options.evaluation().names());
            fixed.put("greater_is_better", Boolean.toString(isGreaterBetter));
        }
        LoraConfig lora = options.lora().config();
        if (lora != null) {
            fixed.keySet().removeIf(RunIdentity::describesAdapter);
            fixed.put("lora", lora.toString());
        }
        fixed.put("device", objective.model().device().name());
        fixed.put("dtype", objective.model().parameters().dtype().toString());
        String loss = objective.facts().get("loss");
        if (loss != null) {
            fixed.put("loss", loss);
        }
        return new RunIdentity(fixed, objective.dataHash(), reference == null ? "" : reference);
    }

    private static boolean describesAdapter(String option) {
        return option.startsWith("lora_") || option.equals("use_rslora");
    }

    ObjectNode json() {
        ObjectNode json = JsonFile.object();
        json.put("data", data);
        json.put("reference", reference);
        ObjectNode named = json.putObject("options");
        options.forEach(named::put);
        return json;
    }

    /** Throws, naming the first difference, if a checkpoint is of another run. */
    void check(String checkpoint, JsonNode run) {
        JsonNode saved = run.path("options");
        Set<String> names = new TreeSet<>(options.keySet());
        saved.fieldNames().forEachRemaining(names::add);
        for (String name : names) {
            String now = options.getOrDefault(name, "not set");
            String then = saved.path(name).asText("not set");
            if (!now.equals(then)) {
                throw new Dpo4jException(name + " is " + now + " but was " + then + " in the run of " + checkpoint
                        + "; a resumed run cannot change it: set it as it was, or start a new run");
            }
        }
        if (!run.path("data").asText().equals(data)) {
            throw new Dpo4jException("dataset_name has other rows than the run of " + checkpoint
                    + "; a resumed run needs the same rows in the same order");
        }
        if (!run.path("reference").asText().equals(reference)) {
            String name =
                    options.containsKey("ref_model_name_or_path") ? "ref_model_name_or_path" : "model_name_or_path";
            throw new Dpo4jException(
                    name + " " + options.get(name) + " has other weights than in the run of " + checkpoint
                            + ", so the reference would be another; put the earlier files back, or start a new run");
        }
    }
}

package org.dpo4j.cli;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Options of TRL and transformers that dpo4j has not. One whose value asks for what holds anyway is taken; every other
 * is refused with what to do instead, so that a config of TRL's either means here what it means there or says where it
 * does not.
 *
 * @param name or the beginning of names, with a star
 * @param holding values that ask for what holds anyway
 * @param instead what to do
 */
record OtherOptions(String name, Set<String> holding, String instead) {

    /** Name, values that hold anyway, what to do instead. */
    private static final String TABLE = """
        activation_offloading | false | lower per_device_train_batch_size where memory is short
        assistant_only_loss | false | give prompt and completion rows: only completions are learned
        attn_implementation | | attention is dpo4j's own; leave it out
        auto_find_batch_size | false | set per_device_train_batch_size
        base_model_attribute_name | model | leave it out
        bnb_* | | 4-bit weights are not supported; leave it out
        chat_template_path | null | render the chat template first and give text
        completion_only_loss | true null | to learn the prompt as well, give it and the completion as one text
        data_seed | null | seed orders the rows
        dataloader_drop_last | false | the last batch is used, and weighs what its rows weigh
        dataloader_* | | rows are read before training; leave it out
        dataset_config | null | dataset_name is a file
        dataset_num_proc | null | rows are read by one thread; leave it out
        dataset_streaming | false | rows are read before training; leave it out
        dataset_test_split | | eval_dataset is a file
        dataset_text_field | text | rename the column to text
        dataset_train_split | train | dataset_name is a file; write the split to one
        datasets | | dataset_name is one file; join the files
        ddp_* | | dpo4j runs on one device; leave it out
        deepspeed | null | dpo4j runs on one device; leave it out
        disable_dropout | true | dpo4j has no dropout; leave it out
        do_eval | | eval_dataset decides; leave it out
        do_train | true | leave it out
        eos_token | null | name it in tokenizer_config.json
        evaluation_strategy | | set eval_strategy
        force_use_ref_model | false | the reference is always the model as it was loaded
        fp16 | false | set dtype to bfloat16 or float32
        fsdp* | null | dpo4j runs on one device; leave it out
        full_determinism | true | every run is deterministic; leave it out
        generate_during_eval | false | run generate on output_dir
        gradient_checkpointing | false | lower per_device_train_batch_size where memory is short
        gradient_checkpointing_* | | lower per_device_train_batch_size where memory is short
        greater_is_better | null | the last model is kept; leave it out
        group_by_length | false | rows are shuffled, and nothing is padded
        hub_* | | dpo4j reaches no hub; upload output_dir yourself
        ignore_bias_buffers | false | leave it out
        ignore_data_skip | false | there is no resuming; leave it out
        label_pad_token_id | | nothing is padded; leave it out
        load_best_model_at_end | false | the last model is kept; set max_steps to stop earlier
        load_in_* | false | quantised weights are not supported; leave it out
        local_rank | -1 | dpo4j runs on one device; leave it out
        logging_dir | null | metrics.jsonl is written to output_dir
        logging_first_step | false | set logging_steps to 1
        logging_nan_inf_filter | false | metrics are written as they are; leave it out
        logging_strategy | steps | set logging_steps
        lora_* | | adapters are not supported; all weights are trained
        lr_scheduler_kwargs | null | leave it out
        max_completion_length | null | set max_length, which counts prompt and completion
        max_prompt_length | null | set max_length, which counts prompt and completion
        metric_for_best_model | null | the last model is kept; leave it out
        model_adapter_name | null | adapters are not supported; leave it out
        model_init_kwargs | null | set dtype for the storage of weights
        model_revision | main | model_name_or_path is a directory
        neftune_noise_alpha | null | noise on embeddings is not supported; leave it out
        no_cuda | | set device to cpu or cuda
        optim | adamw_torch adamw_torch_fused | AdamW is the only optimizer; adam_moments_dtype makes its state smaller
        optim_args | null | set adam_beta1, adam_beta2, adam_epsilon or adam_moments_dtype
        packing | | sequences are never padded, so there is nothing to gain; leave it out
        packing_strategy | | sequences are never padded, so there is nothing to gain; leave it out
        pad_to_multiple_of | null | nothing is padded; leave it out
        pad_token | null | nothing is padded; leave it out
        padding_free | true | nothing is padded; leave it out
        padding_value | null | nothing is padded; leave it out
        precompute_ref_batch_size | null | set per_device_eval_batch_size
        precompute_ref_log_probs | true | they are always computed before the first step; leave it out
        push_to_hub | false | dpo4j reaches no hub; upload output_dir yourself
        ref_adapter_name | null | adapters are not supported; leave it out
        ref_model_init_kwargs | null | the reference is the model as it was loaded
        ref_model_mixup_alpha | | TR-DPO is not supported; leave it out
        ref_model_sync_steps | | TR-DPO is not supported; leave it out
        remove_unused_columns | true | columns that no format uses are left alone
        report_to | none [] | metrics.jsonl in output_dir holds what is logged
        restore_callback_states_from_checkpoint | false | there is no resuming; leave it out
        resume_from_checkpoint | null false | there is no resuming; start from model_name_or_path
        router_aux_loss_coef | | mixtures of experts are not supported; leave it out
        rpo_alpha | null | set loss_type to sigmoid,sft and loss_weights to 1,ALPHA
        run_name | null | name the run by its output_dir
        save_only_model | | the last model is saved, without optimizer; leave it out
        save_safetensors | true | models are always saved as safetensors
        save_steps | | the last model is saved; leave it out
        save_strategy | no | the last model is saved, and nothing before it; set save_strategy to no
        save_total_limit | null | the last model is saved; leave it out
        sync_ref_model | false | TR-DPO is not supported; leave it out
        tf32 | | products of float32 weights are float32; leave it out
        tools | null | render the chat template first and give text
        torch_compile* | false | leave it out
        torch_dtype | | set dtype
        torch_empty_cache_steps | null | leave it out
        train_sampling_strategy | random | rows are shuffled
        trust_remote_code | false | dpo4j never runs code that comes with a model
        use_bnb_nested_quant | false | quantised weights are not supported; leave it out
        use_cpu | | set device to cpu or cuda
        use_dora | false | adapters are not supported; leave it out
        use_liger_kernel | false | dpo4j has fused kernels of its own, always on; leave it out
        use_logits_to_keep | true | logits are computed for completions only; leave it out
        use_peft | false | adapters are not supported; all weights are trained
        use_rslora | false | adapters are not supported; leave it out
        use_vllm | false | run generate
        """;

    private static final List<OtherOptions> ALL =
            TABLE.lines().map(OtherOptions::parse).toList();

    private static OtherOptions parse(String line) {
        String[] cells = line.split(" *\\| *", 3);
        return new OtherOptions(cells[0], cells[1].isEmpty() ? Set.of() : Set.of(cells[1].split(" ")), cells[2]);
    }

    private static @Nullable OtherOptions find(String name) {
        for (OtherOptions other : ALL) {
            boolean family =
                    other.name.endsWith("*") && name.startsWith(other.name.substring(0, other.name.length() - 1));
            if (family || other.name.equals(name)) {
                return other;
            }
        }
        return null;
    }

    static boolean has(String name) {
        return find(name) != null;
    }

    /** Throws unless {@code value} asks for what holds anyway; {@code written} is how the option was given. */
    static void check(String written, String name, String value) {
        OtherOptions other = find(name);
        if (other != null
                && !other.holding.contains(value.replace("None", "null").toLowerCase(Locale.ROOT))) {
            throw new Dpo4jException(written + " " + value + " is not supported: " + other.instead);
        }
    }
}

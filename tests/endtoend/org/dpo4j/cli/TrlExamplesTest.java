package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The examples that TRL 1.16, LLaMA-Factory, alignment-handbook and Axolotl publish for sft, dpo, kto and their LoRA forms:
 * each runs, or is refused with the name of the option that dpo4j lacks. Options and values are theirs; model and rows are
 * tiny ones, and max_steps is 1.
 */
class TrlExamplesTest {
    @TempDir
    Path directory;

    private Path rows = Path.of("");

    @BeforeEach
    void write() throws IOException {
        rows = Files.createDirectory(directory.resolve("rows"));
        String pair = "{\"prompt_ids\":[3,4],\"chosen_ids\":[5,6],\"rejected_ids\":[7,8]}\n";
        TestFiles.write(rows.resolve("train.jsonl"), pair.repeat(2));
        TestFiles.write(rows.resolve("test.jsonl"), pair);
    }

    private List<String> words(String command, String options) {
        List<String> words = new ArrayList<>(List.of(command));
        words.addAll(Arrays.asList(options.strip().split(" +")));
        words.addAll(Cli.words(
                "--model_name_or_path %s --dataset_name %s --output_dir %s --max_steps 1 --device cpu",
                Cli.MODEL, rows, directory.resolve("out")));
        return words;
    }

    /** The headers of trl/scripts/dpo.py and kto.py. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        dpo | --learning_rate 5.0e-7 --num_train_epochs 1 --per_device_train_batch_size 2 --gradient_accumulation_steps 8 \
        --eval_strategy steps --eval_steps 50 --no_remove_unused_columns
        kto | --per_device_train_batch_size 16 --num_train_epochs 1 --learning_rate 5e-7 --lr_scheduler_type=cosine \
        --gradient_accumulation_steps 1 --eval_steps 500 --warmup_steps 0.1 --logging_first_step
        """)
    void examplesOfTrlRun(String command, String options) {
        Cli.run(words(command, options)).assertSucceeded();
        assertThat(directory.resolve("out/model.safetensors")).exists();
    }

    /** The LoRA lines of the headers of trl/scripts/dpo.py and kto.py. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        dpo | --learning_rate 5.0e-6 --num_train_epochs 1 --use_peft --lora_r 32 --lora_alpha 16
        kto | --learning_rate 5e-6 --use_peft --load_in_4bit --lora_target_modules=all-linear --lora_r=16 --lora_alpha=16
        """)
    void examplesOfTrlWithLoraRun(String command, String options) {
        Cli.run(words(command, options)).assertSucceeded();
        assertThat(directory.resolve("out/adapter_model.safetensors")).exists();
        assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
    }

    /** examples/cli_configs/example_config.yaml of TRL: a value may stand below its name. */
    @Test
    void theConfigOfTrlRuns() {
        Path texts = TestFiles.write(directory.resolve("texts.jsonl"), "{\"ids\":[3,4,5,6]}\n");
        Path yaml = TestFiles.write(
                directory.resolve("example_config.yaml"),
                "# env:\n#   CUDA_VISIBLE_DEVICES: 0\nmodel_name_or_path:\n  " + Cli.MODEL + "\ndataset_name:\n  "
                        + texts + "\nreport_to:\n  none\nlearning_rate:\n  0.0001\nlr_scheduler_type:\n  cosine\n");
        Cli.run("sft --config %s --output_dir %s --device cpu", yaml, directory.resolve("out"))
                .assertSucceeded();
    }

    /** Other command lines of TRL 1.16, by the first option that is refused. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        8 bits | kto | --use_peft --load_in_8bit --lora_target_modules=all-linear | --load_in_8bit true
        scripts/sft.py | sft | --packing --eos_token <x> --push_to_hub | --packing true
        the same without packing | sft | --eos_token <x> --push_to_hub | --eos_token <x>
        the same without eos_token | sft | --push_to_hub | --push_to_hub true
        trl dpo --accelerate_config | dpo | --accelerate_config zero2 | --accelerate_config zero2
        """)
    void otherExamplesOfTrlAreRefusedByName(String example, String command, String options, String refused) {
        Cli.run(words(command, options))
                .assertThatError()
                .as(example)
                .startsWith("dpo4j: error: " + refused + " is not supported: ");
    }

    /**
     * Files of other projects, cut to the lines that show something: each line, alone, is refused with the option of dpo4j
     * that does the same, if there is one.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        dpo | stage: dpo | the command says it: ./dpo4j sft, dpo or kto; leave it out
        dpo | finetuning_type: lora | set use_peft to true for lora; all weights are trained without it
        dpo | lora_rank: 8 | did you mean lora_r?
        dpo | lora_target: all | did you mean lora_target_modules?
        dpo | pref_beta: 0.1 | did you mean beta?
        dpo | pref_loss: sigmoid | did you mean loss_type?
        dpo | pref_ftx: 0.5 | set loss_type to sigmoid,sft and loss_weights to 1,PREF_FTX
        kto | kto_chosen_weight: 1.0 | did you mean desirable_weight?
        kto | pref_beta: 0.1 | did you mean beta?
        dpo | dataset: dpo_en_demo | did you mean dataset_name?
        dpo | template: qwen3_nothink | the chat template is chat_template.jinja of model_name_or_path; leave it out
        dpo | cutoff_len: 2048 | did you mean max_length?
        dpo | max_samples: 1000 | give datasets with fraction, or a file with fewer rows
        dpo | val_size: 0.1 | give eval_dataset; ./dpo4j data --split SHARE makes two files of one
        dpo | trust_remote_code: true | dpo4j never runs code that comes with a model
        dpo | dataset_mixture: {datasets: [{id: a/b}]} | give datasets, a list with path and fraction or weight
        dpo | base_model: a/b | did you mean model_name_or_path?
        dpo | rl: dpo | the command says it: ./dpo4j dpo or kto; set loss_type for ipo, orpo and simpo
        dpo | rl_beta: 0.1 | did you mean beta?
        dpo | sequence_len: 2048 | did you mean max_length?
        dpo | micro_batch_size: 2 | did you mean per_device_train_batch_size?
        dpo | num_epochs: 4 | did you mean num_train_epochs?
        dpo | lr_scheduler: cosine | did you mean lr_scheduler_type?
        dpo | adapter: qlora | set use_peft to true; for qlora, load_in_4bit too
        dpo | val_set_size: 0.05 | give eval_dataset; ./dpo4j data --split SHARE makes two files of one
        dpo | sample_packing: true | sequences are never padded, so there is nothing to gain; leave it out
        dpo | compute_environment: LOCAL_MACHINE | this is a file for accelerate launch; dpo4j runs on one device, so give a file of its own options
        dpo | ref_models: [a, b] | DPO with several references is not supported: a run has one reference; leave it out
        dpo | reference_models: [a, b] | DPO with several references is not supported: a run has one reference; leave it out
        """)
    void linesOfOtherProjectsAreRefusedWithAdvice(String command, String line, String advice) {
        Path yaml = TestFiles.write(directory.resolve("other.yaml"), line + "\n");
        Cli.run(command + " --config %s", yaml)
                .assertThatError()
                .startsWith("dpo4j: error: " + yaml + " line 1: ")
                .endsWith(advice);
    }
}

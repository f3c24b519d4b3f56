package org.dpo4j.data.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows written in another shape, and read again. The expected rows follow from the shapes' documentation in README. */
class RowShapeTest {
    private static final String TEXT = "{'prompt':'p','chosen':' a','rejected':' b'}";
    private static final String MESSAGES = "{'prompt':[{'role':'user','content':'p'}],'chosen':[{'role':'assistant',"
            + "'content':' a'}],'rejected':[{'role':'assistant','content':' b'}]}";

    private static ObjectNode json(String text) {
        return (ObjectNode) TestFiles.json(text.replace('\'', '"'));
    }

    private static List<String> write(RowShape shape, ObjectNode row) throws BadRow {
        List<String> rows = new ArrayList<>();
        for (Example example : ReadRow.read("row 1", row, ColumnMap.NONE).examples()) {
            shape.rows(example, null).forEach(each -> rows.add(each.toString().replace('"', '\'')));
        }
        return rows;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '#', textBlock = """
        TEXT | {'prompt':'p','chosen':' a','rejected':' b'} | {'prompt':'p','chosen':' a','rejected':' b'}
        TEXT | {'text':'t'} | {'text':'t'}
        TEXT | {'prompt':'p','completion':'a','label':1} | {'prompt':'p','completion':'a','label':true}
        CONVERSATIONAL | {'instruction':'p','output':'a'} | {'prompt':[{'role':'user','content':'p'}],\
        'completion':[{'role':'assistant','content':'a'}]}
        CONVERSATIONAL | {'text':'t'} | {'messages':[{'role':'assistant','content':'t'}]}
        OPENAI | {'prompt':'p','chosen':'a','rejected':'b'} | {'input':{'messages':[{'role':'user','content':'p'}]},\
        'preferred_output':[{'role':'assistant','content':'a'}],'non_preferred_output':[{'role':'assistant','content':'b'}]}
        SHAREGPT | {'prompt':'p','chosen':'a','rejected':'b'} | {'conversations':[{'from':'human','value':'p'}],\
        'chosen':{'from':'gpt','value':'a'},'rejected':{'from':'gpt','value':'b'}}
        SHAREGPT | {'prompt':'p','completion':'a','label':false} | {'conversations':[{'from':'human','value':'p'},\
        {'from':'gpt','value':'a'}],'kto_tag':false}
        SHAREGPT | {'messages':[{'role':'system','content':'s'},{'role':'user','content':'p'},{'role':'assistant','content':'a'}]}\
         | {'conversations':[{'from':'system','value':'s'},{'from':'human','value':'p'},{'from':'gpt','value':'a'}]}
        ALPACA | {'prompt':'p','chosen':'a','rejected':'b'} | {'instruction':'p','input':'','chosen':'a','rejected':'b'}
        ALPACA | {'prompt':'p','completion':'a','label':false} | {'instruction':'p','input':'','output':'a','kto_tag':false}
        ALPACA | {'instruction':'p','input':'','output':'a','system':'s','history':[['h','i']]} | {'instruction':'p',\
        'input':'','output':'a','history':[['h','i']],'system':'s'}
        UNPAIRED | {'prompt':'p','chosen':'a','rejected':'b'} | {'prompt':'p','completion':'a','label':true}\
         {'prompt':'p','completion':'b','label':false}
        UNPAIRED | {'prompt_ids':[1],'chosen_ids':[2],'rejected_ids':[3,4]} | {'prompt_ids':[1],'completion_ids':[2],\
        'label':true} {'prompt_ids':[1],'completion_ids':[3,4],'label':false}
        PROMPT_COMPLETION | {'prompt':'p','chosen':'a','rejected':'b'} | {'prompt':'p','completion':'a'}
        IDS | {'prompt_ids':[1],'chosen_ids':[2],'rejected_ids':[3,4]} | {'prompt_ids':[1],'chosen_ids':[2],'rejected_ids':[3,4]}
        IDS | {'ids':[1,2,3]} | {'ids':[1,2,3]}
        """)
    void shapes(RowShape shape, String row, String expected) throws BadRow {
        assertThat(String.join(" ", write(shape, json(row)))).isEqualTo(expected);
    }

    /** What is written in any shape that keeps pairs has the same messages as the row that it was made of. */
    @Test
    void pairsSurviveRoundTrips() throws BadRow {
        for (RowShape shape : List.of(RowShape.CONVERSATIONAL, RowShape.OPENAI, RowShape.SHAREGPT, RowShape.ALPACA)) {
            for (String row : List.of(TEXT, MESSAGES)) {
                ObjectNode written = json(write(shape, json(row)).get(0));
                assertThat(write(RowShape.CONVERSATIONAL, written)).containsExactly(MESSAGES);
            }
        }
        ObjectNode weighted = json("{'prompt':'p','chosen':'a','rejected':'b','weight':0.5,'ref_chosen_logps':-1.5,"
                + "'ref_rejected_logps':-2.5}");
        assertThat(json(write(RowShape.TEXT, weighted).get(0))).isEqualTo(weighted);
        ObjectNode messages = json(MESSAGES);
        messages.put("weight", 0.5).put("ref_chosen_logps", -1.5).put("ref_rejected_logps", -2.5);
        assertThat(write(RowShape.OPENAI, messages).get(0))
                .endsWith(",'weight':0.5,'ref_chosen_logps':-1.5,'ref_rejected_logps':-2.5}");
        for (RowShape shape : List.of(RowShape.CONVERSATIONAL, RowShape.OPENAI, RowShape.SHAREGPT, RowShape.ALPACA)) {
            assertThatThrownBy(() -> write(shape, weighted))
                    .hasMessage("it has ref_chosen_logps, and in this shape the row has other tokens; drop them with"
                            + " column_map; convert it to another shape");
        }
    }

    /** Tools are a column beside the prompt, and in input for OpenAI's rows. */
    @Test
    void toolsAreKept() throws BadRow {
        String tools = "[{'type':'function','function':{'name':'f'}}]";
        ObjectNode row = json(MESSAGES.replaceFirst("}$", ",'tools':" + tools + "}"));
        assertThat(write(RowShape.OPENAI, row).get(0)).contains("],'tools':" + tools + "},'preferred_output'");
        ObjectNode again = json(write(RowShape.OPENAI, row).get(0));
        assertThat(json(write(RowShape.CONVERSATIONAL, again).get(0))).isEqualTo(row);
    }

    /** A row with several rejected answers becomes pairs whose weights sum to one. */
    @Test
    void severalAnswersBecomeSeveralRows() throws BadRow {
        assertThat(write(RowShape.TEXT, json("{'prompt':'p','chosen':'a','rejected':['b','c']}")))
                .containsExactly(
                        "{'prompt':'p','chosen':'a','rejected':'b','weight':0.5}",
                        "{'prompt':'p','chosen':'a','rejected':'c','weight':0.5}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '#', textBlock = """
        OPENAI | {'text':'t'} | one completion, neither a pair nor judged
        SHAREGPT | {'prompt':'p','completion':'a'} | a prompt apart from its completion
        SHAREGPT | {'messages':[{'role':'user','content':'p'},{'role':'assistant','content':'a','reasoning_content':'r'}]}\
         | a message with reasoning_content
        SHAREGPT | {'messages':[{'role':'developer','content':'p'},{'role':'assistant','content':'a'}]}\
         | a message of the role developer
        ALPACA | {'prompt':'p','completion':[{'role':'assistant','content':'a'},{'role':'assistant','content':'b'}],'label':true}\
         | a completion of several messages
        ALPACA | {'text':'t'} | a whole sequence, without a prompt
        ALPACA | {'prompt':[{'role':'user','content':'p'},{'role':'user','content':'q'}],'completion':'a'} | messages that do not\
         alternate
        ALPACA | {'prompt':[{'role':'assistant','content':'p'}],'completion':'a'} | messages that do not alternate
        UNPAIRED | {'prompt':'p','completion':'a'} | one completion, neither a pair nor judged
        TEXT | {'prompt_ids':[1],'chosen_ids':[2],'rejected_ids':[3,4]} | token ids, not text
        TEXT | {'messages':[{'role':'user','content':'p'},{'role':'assistant','content':'a'}]} | messages, not text (give model_name_or_path\
         for its chat template)
        PROMPT_COMPLETION | {'prompt':'p','completion':'a','label':false} | a completion that was judged bad
        PROMPT_COMPLETION | {'text':'t'} | a whole sequence, without a prompt
        IDS | {'text':'t'} | no token ids; give model_name_or_path, whose tokenizer makes them
        """)
    void whatAShapeCannotSayIsRefused(RowShape shape, String row, String message) {
        assertThatThrownBy(() -> write(shape, json(row)))
                .isInstanceOf(BadRow.class)
                .hasMessage("it has " + message + "; convert it to another shape");
    }

    @Test
    void idsAreThoseOfTheEncoder() throws BadRow {
        Example example = ReadRow.read("row 1", json("{'ids':[1,2,3]}"), ColumnMap.NONE)
                .examples()
                .get(0);
        Encoder encoder = new Encoder(null, 4, RowOptions.DEFAULT);
        assertThat(RowShape.IDS.rows(example, encoder).toString()).isEqualTo("[{\"ids\":[1,2,3]}]");
    }
}

package org.dpo4j.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.row.ReadRows.BLUE;
import static org.dpo4j.data.row.ReadRows.GREEN;
import static org.dpo4j.data.row.ReadRows.SKY;
import static org.dpo4j.data.row.ReadRows.assertPair;
import static org.dpo4j.data.row.ReadRows.assertRefused;
import static org.dpo4j.data.row.ReadRows.one;
import static org.dpo4j.data.row.ReadRows.read;
import static org.dpo4j.data.row.ReadRows.row;
import static org.dpo4j.data.row.ReadRows.show;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How formats are told apart, and what all of them refuse. {@link PairRowsTest} and {@link SingleRowsTest} have what rows say. */
class RowFormatsTest {
    /** TRL learns the user's text here, as part of the answer. */
    @Test
    void anAnswerEndsWithAMessageOfTheAssistant() {
        String message = " ends with a message of user, which would be learnt; end it with the assistant's answer";
        String prompt = "{'prompt':[" + SKY + "],'chosen':[" + BLUE;
        assertRefused(prompt + "," + SKY + "],'rejected':[" + GREEN + "]}", Kind.PAIR, "chosen" + message);
        assertRefused(
                prompt + "],'rejected':[[" + GREEN + "],[" + GREEN + "," + SKY + "]]}",
                Kind.PAIR,
                "rejected" + message);
        assertRefused(
                "{'chosen':[" + SKY + "," + BLUE + "," + SKY + "],'rejected':[" + SKY + "," + GREEN + "]}",
                Kind.PAIR,
                "chosen" + message);
        String system = "{'role':'system','content':'s'}";
        assertRefused(
                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "," + system + "]}",
                Kind.SINGLE,
                "completion" + message.replace("user", "system"));
        assertThat(show(one(
                                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "," + SKY + "," + GREEN + "]}",
                                Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue. / user: Sky? / assistant: Green.");
    }

    @Test
    void callsOfFunctions() {
        String calls = "[{'type':'function','function':{'name':'f','arguments':{'x':1}}}]";
        assertPair(
                "{'conversations':[{'from':'human','value':'Sky?'},"
                        + "{'from':'function_call','value':'{\\'name\\': \\'f\\', \\'arguments\\': {\\'x\\': 1}}'},"
                        + "{'from':'observation','value':'9'}],"
                        + "'chosen':{'from':'gpt','value':'Blue.'},'rejected':{'from':'gpt','value':'Green.'},"
                        + "'tools':'[{\\'name\\': \\'f\\'}]'}",
                "user: Sky? / assistant: " + calls + " / tool: 9 | assistant: Blue. | assistant: Green.");
        Example openAi = one(
                "{'input':{'messages':[" + SKY + "],'tools':[{'type':'function','function':{'name':'f'}}]},"
                        + "'preferred_output':[{'role':'assistant','tool_calls':[{'type':'function','function':"
                        + "{'name':'f','arguments':'{\\'x\\':1}'}}]}],'non_preferred_output':[" + GREEN + "]}",
                Kind.PAIR);
        assertThat(show(openAi.content())).isEqualTo("user: Sky? | assistant: " + calls + " | assistant: Green.");
        assertThat(((Content.Messages) openAi.content()).variables().tools())
                .hasToString("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
        {'prompt':[],'chosen':[B],'rejected':[B]} | prompt is an empty list; give at least one message
        {'prompt':'p','chosen':[B],'rejected':7} | rejected is 7; give text, or a list of messages
        {'prompt':'p','chosen':[{'role':'assistant'}],'rejected':[B]} | chosen[0] has no content; give text
        {'prompt':'p','chosen':[{'content':'a'}],'rejected':[B]} | chosen[0] has no role; give each message a role and content, or from and value
        {'prompt':'p','chosen':[{'role':null,'content':'a'}],'rejected':[B]} | chosen[0] has no role; give each message a role and content, or from and value
        {'prompt':'p','chosen':[{'role':'assistant','content':5}],'rejected':[B]} | chosen[0].content is 5; give text, or a list of text parts
        {'prompt':'p','chosen':[B,'x'],'rejected':[B]} | chosen[1] is the text 'x'; give a message with role and content
        {'prompt':'p','chosen':[{'role':'assistant','from':'gpt','content':'a'}],'rejected':[B]} | chosen[0] can be read by role and content, or by from and value; leave out one of them
        {'prompt':'p','chosen':[{'from':'robot','value':'a'}],'rejected':[B]} | chosen[0] is from robot; give human, gpt, system, function_call or observation, or user, assistant or tool
        {'prompt':'p','chosen':[{'from':'function_call','value':'f(x)'}],'rejected':[B]} | chosen[0].value is a text that is not JSON:
        {'prompt':'p','chosen':[{'role':'assistant','content':[{'type':'image_url','image_url':'u'}]}],'rejected':[B]} | chosen[0].content[0] is of type image_url, and the model reads only text; leave the row out, or give parts of type text
        {'prompt':'p','chosen':[{'role':'assistant','content':[{'type':'text','text':null}]}],'rejected':[B]} | chosen[0].content[0].text is null; give text
        {'prompt':[U],'chosen':[U],'rejected':[B]} | chosen begins with a message of user; begin it with the assistant's answer, or with all messages of the prompt
        {'prompt':[U],'chosen':[B],'rejected':[B],'images':['a.png']} | it has images, and the model reads only text; leave the row out, or the column with column_map
        {'prompt':[U],'chosen':[B],'rejected':[B],'weight':'2'} | weight is the text '2'; give a number
        {'prompt':[U],'chosen':[B],'rejected':[B],'weight':-1} | weight is -1; give 0 or more
        {'prompt':[U],'chosen':[B],'rejected':[B],'ref_chosen_logps':-1} | it has ref_chosen_logps without ref_rejected_logps; give both or none
        {'prompt':[U],'chosen':[B],'rejected':[B],'ref_chosen_logps':1,'ref_rejected_logps':-1} | ref_chosen_logps is 1; give a sum of log-probs, which is never above 0
        {'prompt':[U],'chosen':[B],'rejected':[B],'tools':{}} | tools is an object; give a list of objects
        {'prompt':[U],'chosen':[B],'rejected':[B],'tools':[1]} | tools holds 1; give a list of objects
        {'prompt':'p','chosen':'a','rejected':'b','tools':[{}]} | tools need messages, which the chat template renders with them, but the row has text; give messages, or leave tools out with column_map
        {'prompt':[U],'chosen':[B],'rejected':[B],'chat_template_kwargs':{'tools':1}} | chat_template_kwargs sets tools, which a row cannot decide; leave it out
        {'system':'a','prompt':[{'role':'system','content':'b'},U],'chosen':[B],'rejected':[B]} | the system message can be read from the column system or from the first message; leave out one of them
        {'prompt':[{'role':'user','content':'\\ud83d'}],'chosen':[B],'rejected':[B]} | prompt[0].content holds \\ud83d, half of a character; write the whole character
        {'prompt':'p','chosen':[{'role':'assistant','content':'a','weight':0}],'rejected':[B]} | chosen[0] has the weight 0; weights of single messages are not supported, so give the messages before it as the prompt
        """)
    void badValuesAreRefused(String row, String message) {
        String text = row.replace("[U]", "[" + SKY + "]")
                .replace(",U]", "," + SKY + "]")
                .replace("[B", "[" + BLUE);
        assertThatThrownBy(() -> read(text, Kind.PAIR))
                .extracting(each -> String.valueOf(each.getMessage()).replace('"', '\''))
                .asString()
                .startsWith(message);
    }

    @Test
    void readingsOfAnAmbiguousRowAreListed() {
        assertRefused(
                "{'prompt':'p','chosen':'a','rejected':'b','instruction':'i'}",
                Kind.PAIR,
                "it can be read as [prompt, chosen, rejected] or as [instruction, chosen, rejected]; leave out the columns"
                        + " of the others with column_map");
        assertRefused(
                "{'text':'a','messages':[" + SKY + "]}",
                Kind.SINGLE,
                "it can be read as [text] or as [messages]; leave out the columns of the others with column_map");
    }

    /** Rows of UltraFeedback have the prompt and the chosen answer once more, in messages. */
    @Test
    void aWholeSequenceBesideAPairRepeatsIt() throws BadRow {
        String messages = "'messages':[" + SKY + "," + BLUE + "]";
        assertFormat(
                "{'prompt':'Sky?','chosen':[BLUE],'rejected':[GREEN]," + messages + "}", "[prompt, chosen, rejected]");
        assertFormat("{'chosen':'a b','rejected':'a c','text':'a b'}", "[chosen, rejected]");
        assertFormat("{'prompt':'a','completion':'b','label':true,'text':'a b'}", "[prompt, completion, label]");
        assertFormat("{" + messages + "}", "[messages]");
        assertThatThrownBy(() -> RowFormats.find(
                        row("{'prompt':'a','completion':'b','chosen':'b','rejected':'c','text':'a b'}"),
                        EnumSet.allOf(Kind.class)))
                .hasMessageStartingWith("it can be read as [prompt, chosen, rejected] or as [prompt, completion];");
    }

    private static void assertFormat(String row, String columns) throws BadRow {
        String text = row.replace("[BLUE]", "[" + BLUE + "]").replace("[GREEN]", "[" + GREEN + "]");
        assertThat(RowFormats.find(row(text), EnumSet.allOf(Kind.class)).required())
                .hasToString(columns);
    }

    @Test
    void columnsAreRenamedAndDropped() {
        Map<String, @Nullable String> sources = new HashMap<>();
        sources.put("prompt", "question");
        sources.put("chosen", "rejected");
        sources.put("rejected", "chosen");
        sources.put("system", null);
        ColumnMap map = new ColumnMap(sources);
        ObjectNode row = row("{'question':'p','chosen':'a','rejected':'b','system':'s','prompt':'old','x':1}");
        assertThat(map.apply(row)).isEqualTo(row("{'prompt':'p','rejected':'a','chosen':'b','x':1}"));
        assertThatThrownBy(() -> new ColumnMap(Map.of("promt", "a")))
                .hasMessageStartingWith("column_map names promt, which no format reads; its names are ");
        assertThatThrownBy(() -> new ColumnMap(Map.of("prompt", "a", "chosen", "a")))
                .hasMessage("column_map reads a twice; give each name a column of its own");
    }

    /** Every format names its required columns first among the columns that it reads. */
    @Test
    void columnsIncludeThoseRequired() {
        for (RowFormat format : RowFormats.ALL) {
            assertThat(format.columns()).containsAll(format.required());
        }
        assertThat(Set.copyOf(RowFormats.ALL)).hasSameSizeAs(RowFormats.ALL);
    }
}

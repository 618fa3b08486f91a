"""The words and marks that tell one category from another, with their weights: data for `seeing` and `category`."""

from __future__ import annotations

# lower case; an apostrophe separates words, so that "what's" is looked for as "what s".
CUES = """
[code 3.0]
python, javascript, typescript, js, java, c++, cpp, c#, f#, sql, mysql, postgresql, postgres, sqlite, mongodb, redis,
html, html5, css, sass, jquery, node js, nodejs, react js, reactjs, react component, react native, angular, vue,
svelte, redux, django, flask, fastapi, laravel, ruby on rails, asp net, dotnet, pandas, numpy, pytorch, tensorflow,
keras, sklearn, scikit learn, matplotlib, opencv, selenium, beautifulsoup, tkinter, pygame, jupyter, bash, zsh,
powershell, dockerfile, docker, kubernetes, kubectl, helm chart, terraform, ansible, nginx, systemd, crontab, makefile,
cmake, gradle, npm, webpack, cargo toml, yaml, toml, graphql, golang, kotlin, php, perl, haskell, scala, clojure,
elixir, erlang, ocaml, fortran, cobol, prolog, lisp, lua, verilog, vhdl, solidity, matlab, vba, swiftui, xcode,
objective c, arduino, vim, emacs, vscode, git, github, gitlab, bitbucket, stackoverflow, leetcode, pytest, junit,
kafka, elasticsearch, cuda, opengl, webassembly, sqlalchemy, hibernate, in rust, in ruby, in swift, in go, in c, in r,
in bash, in assembly, in latex, latex code, excel formula, excel function, spreadsheet formula, google sheets, vlookup,
питоне, питон, regex, regexp, regular expression, regular expressions, github actions, shell script, shell command,
command line, cron job, stack trace, traceback, null pointer, nullpointerexception, typeerror, valueerror, keyerror,
segmentation fault, segfault, syntax error, compiler error, runtime error, unit test, unit tests, test cases,
pseudocode, source code, this code, following code, given code, code snippet, code review, linked list, binary tree,
search tree, binary search, hash map, hashmap, hash table, hash function, bubble sort, merge sort, quicksort, quick
sort, insertion sort, depth first, breadth first, dynamic programming, big o, time complexity, data structure, data
structures, pull request, merge conflict, merge conflicts, version control, codebase, programming language, programming
languages, rest api, restful, api endpoint, http request, http status, http server, status code, json schema, web api,
lambda function, recursive function, for loop, while loop, if statement, list comprehension, try catch, exception
handling, object oriented, design pattern, dependency injection, polymorphism, garbage collection, memory leak, race
condition, event loop, event listener, callback function, async await, foreign key, primary key, left join, inner join,
stored procedure, environment variable, environment variables, config file, web scraper, web scraping, web app, stdin,
stdout, flexbox, a div, css grid, dataframe, data frame, type hints, two dimensional array, string as input, given a
string, given an array, given an integer array, given two strings, return true if, substring, subarray, palindrome,
sprite, docker compose, one liner, consulta sql, requête sql, sql запрос
[code 1.5]
code, coding, algorithm, array, arrays, function, functions, script, scripts, api, apis, json, xml, variable,
variables, loop, loops, recursion, recursive, recursively, debug, debugging, compiler, runtime, database, databases,
query, queries, schema, refactor, boolean, tuple, programming, programmer, programmers, webpage, frontend, backend,
endpoint, endpoints, linux, unix, ubuntu, callback, async, asynchronous, mutex, semaphore, deadlock, commit, commits,
rebase, repository, repo, closure, closures, subclass, constructor, iterator, decorator, decorators, exception, parser,
parse, thread, threads, multithreading, pointer, pointers, bug, bugs, struct, enum, namespace, inheritance,
encapsulation, microservices, middleware, webhook, websocket, jwt, oauth, cors, ssh, grep, curl, awk, sudo, cli, gui,
localhost, orm, nosql, crud, devops, bytecode, hexadecimal, bitwise, ascii, utf, stylesheet, bootstrap, tailwind,
plugin, plugins, serverless, aws, timestamp, dropdown, navbar, hooks, props, usestate, reverse proxy, deployment,
replicas, fibonacci, método, bucle, schleife, boucle, código, función, programa, programación, funktion, skript,
programmierung, fonction, algorithme, algoritmo, algorithmus, функцию, функция, код, скрипт, программу, алгоритм,
запрос, excel, csv, const, var, snippet, prints, reverses, hello world, txt, ascending order, descending order, url,
urls, println, console, syntax, that takes, takes a, takes an, takes two, takes in, that accepts, that returns, returns
the, returns a, returns true, check if, checks if, occurrences, text file, csv file, the nth, an integer, vowels,
columns, column, int, void, args, node, print the, lists, keyword, keywords argument, import, module, package,
packages, install, dependency, dependencies, algorithms, data type, data types, operator, operators, mutable,
immutable, garbage, cache, caching, index, indexes, authentication, token, tokens, encrypt, decrypt, cursor, table
name, join, trigger, container, containers, virtual environment, pip, conda, kernel, cpu usage, header, headers,
checkbox, textarea, div, tag, tags, selector, margin, padding, pixel, pixels, animation, canvas, popup, viewport,
mobile app, android, ios, implement a, implement an, implement the
[code 0.7]
class, classes, method, methods, string, strings, integer, integers, dictionary, dictionaries, software, website,
server, terminal, developer, library, framework, stack, queue, binary, interface, input, output, folder, directory,
file, files, sort, sorts, returns, parameters, button, element, undo, branch, branches, program, programs, compile,
print, takes, accepts, table, specified, iterate, implement, elements, length, convert, sorted, count, counts, user,
modify, example com, reads, outputs, given a list of
[reasoning 3.0]
solve for, prove, prove that, show that, solve the, the probability, probability that, probability of, derivative,
integral, differentiate, integrate, square root of, cube root, greatest common divisor, least common multiple,
reasoning step by step, your reasoning, logic puzzle, riddle, syllogism, truth table, knights, how many different ways,
in how many ways, how many ways, if and only if, theorem, lemma, by induction, sum of the, area of, perimeter,
circumference, hypotenuse, pythagorean, prime number, prime numbers, primes, factorize, factorise, factor the,
quadratic, polynomial, logarithm, eigenvalue, eigenvalues, determinant, standard deviation, probability, what
percentage, what percent, average speed, compound interest, simple interest, chemical equation, balance the equation,
molar mass, how many moles, kinetic energy, number sequence, calculate, compute the, evaluate the expression, simplify
the expression, round to the nearest, estimate how many, estimate the number, roughly how many, the remainder, does it
follow, logically, next number, next term, in the sequence, argument valid, must be true, tells the truth, always lies,
line segment, contrapositive, tautology, without replacement, drawn at random, at random, expected value, random
variable, normal distribution, bayes, fair coin, fair die, consecutive integers, consecutive numbers, even numbers, odd
numbers, whole numbers, sudoku, modulo, permutations, isosceles, complex number, newton s second, ideal gas, limiting
reagent, in parallel, in series, half life, probabilidad, resuelve, résous, résoudre, probabilité, wahrscheinlichkeit,
löse, beweise, gleichung, ecuación, umfang, fläche, flächeninhalt, вероятность, вычисли, реши, докажи, уравнение,
площадь, диагоналей, demuestra, démontrez, démontre, démontrer, calculez, berechne, calcula, comes next, next letter,
nth term, limit theorem
[reasoning 1.4]
how many, how far, how long, how old, how fast, in total, altogether, percent, remaining, left over, how long would,
how long will, puzzle, deduce, infer, premise, premises, conclusion, equation, equations, fraction, fractions, ratio,
proportion, average, median, sum, product of, divided by, multiplied by, division by, equal to, equivalent to,
velocity, acceleration, momentum, friction, mph, km h, mathematics, mathematical, mathematician, math, maths, algebra,
geometry, calculus, arithmetic, matrix, matrices, simplify, evaluate, factor, inequality, variance, binomial,
coefficient, exponent, decimal, digit, digits, numerator, denominator, multiple of, divisible, divisor, remainder,
consecutive, taller than, shorter than, taller, older than, younger than, heavier, faster than, twice as, times as
many, times as much, more than, fewer than, less than, father of, mother of, brothers, sisters, coins, coin, dice, die,
marbles, cards, directly left, to the right of, to the left of, shadow, facing, weighings, jug, jugs, estimate, graph
of, triangle, rectangle, circle, radius, diameter, sphere, cylinder, cube, polygon, hexagon, diagonal, angle, angles,
degrees, slope, vector, vectors, profit, each other at, toward each other, ph of, molarity, moles, voltage, resistor,
resistors, resistance, ohms, joules, newtons, force, torque, projectile, wavelength, clock, undefined, infinitely many,
how many seconds, how many minutes, how many hours, cuántos, cuántas, cuánto, combien, wie viele, wie viel, wie lange,
wie groß, сколько, doppelt, mitad, doble, âge, edad, odd integers, even integers, octagon, diagonals, dollars, pounds,
the rest, half of, starting point, three times, four times, five times, did she, did he, does she, does he, each other,
two digit, three digit, greater than, exactly one, exactly two, meters, metres, grams, kilograms, kilometers, per
second, per week, twice
[reasoning 0.7]
each, every, half, double, triple, total, together, spend, spends, spent, cost, costs, pays, paid, sold, sells, buys,
bought, hours, minutes, speed, distance, km, cm, kg, liters, litres, ml, feet, inches, miles, step by step, all,
therefore, if, married, change, salary, discount, seconds, steps, neither, either, per hour, per day, per minute, how
much, next to, money, week, weeks, equally, gave, gets
[creative 3.0]
poem, poems, haiku, limerick, sonnet, tanka, short story, short stories, flash fiction, lyrics, fairy tale, bedtime
story, bedtime tale, ghost story, love story, horror story, origin story, backstory, worldbuilding, fan fiction,
fanfiction, screenplay, roleplay, role play, role playing, slogan, tagline, slogans, taglines, catchphrase, jingle,
lullaby, nursery rhyme, tongue twister, pretend to be, pretend you, pretend that, imagine you are, imagine you re,
imagine yourself, imagine that you, you are pretending, take on the role, take the role, play the role, assume the
role, the role of, embody, in the shoes of, picture yourself, if you were a, if you were an, stay in character, the
persona of, speak like, talk like, in the style of, in the voice of, from the perspective of, from the point of view
of, monologue, soliloquy, stand up comedy, comedy sketch, once upon a time, plot twist, a joke, joke about, jokes
about, knock knock, a pun, puns, ballad, free verse, prose poem, acrostic, rhyming, rhyme, villanelle, rap battle,
continue the story, finish the story, make up a, make up an, invent a, invent an, funny names, creative names, name
ideas, creative name, band name, villain, fantasy novel, parody, opening line, opening paragraph of a, opening scene,
detective tale, poema, poesía, cuento, chiste, soneto, poème, conte de, blague, chanson, gedicht, kurzgeschichte,
gutenachtgeschichte, märchen, witz, liedtext, стихотворение, стих, стихи, рассказ, сказку, анекдот, хокку, eslogan,
haïku, stand up routine, impression of, sea shanty, word story, word stories, children s book, once there was, show don
t tell, opening paragraph, punch lines, punchline, punchlines, rewrite this song, the persona of a, act like a
[creative 1.3]
story, stories, tale, tales, character, characters, fictional, fiction, fantasy, sci fi, dragon, wizard, witch, pirate,
elf, unicorn, mermaid, princess, fairy, kingdom, narrator, narrative, protagonist, antagonist, verse, stanza, song,
songs, dialogue, scene, plot, metaphor, funny, hilarious, humorous, whimsical, witty, satirical, imaginary, catchy,
imagine, pretend, persona, adventure, act as, historia de, histoire, geschichte, историю, alien, spaceship, time
traveler, zombie, vampire, werewolf, ghost, haunted, enchanted, magical, magic, knight, superhero, medieval, dystopian,
cyberpunk, vivid, noir, thriller, rap, creatively, shakespeare, moonlit, name the, sing, shanty, stranger, the reader,
sinister, eerie, atmosphere, abandoned, astronaut, potion, extraterrestrial, intergalactic, mythical, mythology,
creature, creatures, ogre, goblin, dwarf, sorcerer, prophecy, samurai, ninja, cowboy, outlaw, gangster, martian,
galaxy, dystopia, utopia, apocalypse, post apocalyptic, parallel universe, talking animal, limericks, rhymes, rhymed,
ode, epic, saga, fable, myth, cliffhanger, surreal, absurd, poetic, poetically, lyrical, comedic, sarcastic, tragic,
playful, quirky, silly, joke, jokes, humor, humour, anthem, chorus, melody, hip hop, ballads
[general 2.5]
dress code, zip code, postal code, area code, code of conduct, morse code, computer science, script for, feedback on,
the following poem, this poem, this story, the story of, short story i, the song, the poem, the novel
[general 1.6]
summarize, summarise, summary, paraphrase, translate, translation, proofread, classify, categorize, extract, email,
essay, article, blog post, cover letter, recipe, itinerary, grammar, rewrite, main idea, sentiment, synonyms, synonym,
headline, tweet, product description, bullet points, passage, the following paragraph, paragraph, spelling, analogy,
similes, idiom, the text, reviews, video script, label each, identify which, feedback, the plot of, mood, tell me
whether, keywords, named entities, lesson plan, chronological, traduce, traduis, traduire, résume, übersetze, fasse,
переведи, books on, themes, who wrote, a simile, a metaphor
[general 0.6]
difference between, the differences between, pros and cons, advantages, disadvantages, explain to, history of, movie,
film, recommend, podcasts, suggest, tips, advice, benefits, meaning of, importance of, list of, examples of, types of,
who was, who is, when was, when did, where is
[other 10.0]
toolformer, tool_call, tool_calls, tool_response, functioncall, function_call, action input
[other 3.5]
who are you, what are you, who made you, who created you, who built you, who trained you, who developed you, your name,
are you a robot, are you human, are you an ai, are you a real, are you chatgpt, are you gpt, what can you do, what
model are you, about yourself, you have feelings, are you conscious, are you sentient, your developer, your creator,
trained by openai, your purpose, how are you, what s up, how s it going, i love you, i hate you, fuck you, shut up, you
suck, quién eres, cómo te llamas, cómo estás, qué eres, eres un robot, qui es tu, qui êtes vous, comment tu t appelles,
comment ça va, es tu un, êtes vous un, wer bist du, bist du ein, bist du eine, wie heißt du, wie geht s, wie geht es
dir, wer hat dich, кто ты, ты робот, ты человек, как тебя зовут, как дела, кто тебя создал, nice to meet you, build a
bomb, make a bomb, pipe bomb, make meth, commit suicide, kill myself, kill someone, hide a body, hide the body,
shoplift, shoplifting, steal a car, hack into, credit card fraud, fake id, launder money, ransomware, racist joke,
racist jokes, make explosives, counterfeit money, bank password, nice weather, without getting caught, qué tal, lorem
ipsum, want to die, end my life, hurt myself, self harm
"""

# What is to be made: looked for after a verb of making, and among the first words.
THINGS = """
[code 3.5]
function, program, code, script, query, regex, class, method, algorithm, api, app, webpage, website, page, html, css,
command, loop, component, module, library, package, schema, dockerfile, database, función, código, consulta, fonction,
requête, funktion, programm, skript, abfrage, функцию, программу, скрипт, код, запрос, snippet, endpoint, macro,
parser, decorator, iterator, plugin, widget, dropdown, config, migration, struct, enum, trigger, stylesheet, makefile,
crawler, scraper, compiler, interpreter, cli, gui
[creative 3.5]
poem, poems, haiku, limerick, sonnet, story, stories, tale, fable, song, lyrics, dialogue, conversation, monologue,
joke, jokes, riddle, slogan, slogans, tagline, scene, screenplay, play, novel, ballad, ode, verse, rap, jingle, parody,
fanfic, fanfiction, myth, legend, thriller, character, pun, puns, skit, couplet, acrostic, toast, poema, cuento,
historia, canción, chiste, diálogo, eslogan, fábula, poème, histoire, conte, chanson, blague, gedicht, geschichte,
märchen, lied, witz, dialog, gutenachtgeschichte, стихотворение, стих, рассказ, сказку, историю, песню, villain,
monster, creature, hero, mascot, vignette, lullaby, anthem, quatrain, satire, sketch, relato, novela, verso, fabel,
reim, ballade, диалог, басню
[general 2.5]
email, emails, letter, essay, article, post, paragraph, summary, list, report, review, description, plan, recipe,
sentence, sentences, question, questions, title, tweet, headline, resume, speech, guide, outline, schedule, memo,
message, overview, biography, example, examples, analysis, comparison, advice, ideas, tips, reasons, facts,
explanation, definition, synonym, agenda, proposal, survey, quiz, correo, carta, ensayo, resumen, lista, lettre, liste,
courriel, brief, aufsatz, zusammenfassung, письмо, эссе, список, eulogy, pitch, profile, bio
"""

# Patterns for scripts without spaces between words.
UNSPACED_CUES = """
[code 3.0]
代码|编程|函数|脚本|数据库|正则|算法|编译|数组|コード|関数|プログラミング|スクリプト|正規表現|アルゴリズム|クエリ|配列
[code 1.3]
程序|接口|变量|循环|プログラム|変数|ループ
[reasoning 3.0]
计算|求解|方程|概率|证明|逻辑题|推理题|平方根|面积|周长|还剩,
計算|証明|確率|方程式|何個|何人|いくつ|何分|平均速度|解いて
[reasoning 1.3]
多少|几个|几天|几颗|总共|一共|每人|每小时|倍|いくら|合計|全部で|それぞれ
[creative 3.5]
(?:写|作|编|创).{0,16}(?:诗|故事|小说|歌|笑话|童话|对话|剧本|散文)|俳句|童话|扮演|口号|广告语,
(?:詩|物語|小説|童話|歌詞|短歌|セリフ|ジョーク).{0,8}(?:書|作|詠|考え|教え)|キャッチコピー|なりきって|演じて
[general 1.6]
总结|翻译|概括|改写|分类|介绍|建议|优点|区别|解释|要約|翻訳|書き直|分類|説明|メール|違い
[other 4.0]
^(?:你好|您好)|你是(?:谁|什么|一个|不是|由)|你叫什么|你的(?:名字|功能|技能|特点|使命|职责|身份|工作|开发),
(?:谁|誰).{0,4}(?:开|制|创|訓|训).{0,4}你|(?:创造|开发).{0,3}你的人,
你(?:有名字|能做什么|会做什么|来自|为什么存在)|介绍.{0,3}你自己,
あなたは(?:誰|だれ|AI|人間)|あなたの名前|^(?:こんにちは|おはよう|こんばんは)|自己紹介して|元気ですか|ありがとう
"""

# Kinds of words. What follows a word of "about" is not the thing to be made, but what it is about; with one of the
# "professions" a persona gives advice and is no part in a play; "announcing" ones before a colon hand a text over.
KINDS = """
[make] add begin build come compose compón construct continue craft crea create crée cuéntame design develop dichte
draft dream erstelle erzähl erzähle escribe escríbeme finish genera generate give génère implement invent invente make
narrate need pen perform produce raconte recite redacta rewrite rédige schreib schreibe set sing start tell think turn
verfasse want write écris écrivez напиши придумай расскажи создай составь сочини
[about] about for from how if of on that these this using what when where whether which who whose why with
[professions] accountant adviser advisor ai analyst assistant coach consultant counsellor counselor developer doctor
editor engineer expert lawyer marketer nutritionist professional programmer recruiter specialist teacher therapist
translator tutor
[numbers] cinco cinq cuatro deux dos dozen drei eight eleven fifty five forty four fünf half hundred nine quatre seven
six ten thirty three thrice tres trois twelve twenty twice two vier zwei два пять три четыре
[greetings] adiós bonjour bonsoir buenas buenos bye cool danke goodbye gracias guten haha hahaha hallo hello hey hi
hiya hola lol merci ok okay salut sup thank thanks thx tschüss yo здравствуй здравствуйте пока привет спасибо
[small talk] a abend adiós afternoon all are bonjour bonsoir buenas buenos bye cool danke doing días evening friend
going good goodbye gracias great guten haha hahaha hallo hello helpful hey hi hiya hola how is isn it later lol lot
meet merci morgen morning much nice night no noches nope ok okay qué really right salut see so sup sure t tag tal
tardes thank thanks that there thx to today tschüss very was weather wow yeah yes yo you день добрый здравствуй
здравствуйте пока привет спасибо
[assistant] abilities alexa alive assistant bot capabilities chatbot chatgpt conscious created creator developed
developer emotions feelings gpt gpt3 gpt4 human language machine name openai remember robot sentient siri trained trust
[harms] arson blackmail bomb bombs bribe burglary cocaine counterfeit drugs drunk explosives forge fraud gun hack
harass heroin kidnap kill meth murder overdose password poison porn racist rape rob robbing scam shoplift slur slurs
smuggle stalk steal suicide torture tricks vandalize weapon
[asking] advice analyze are best calculate can choose classify compare complete convert could create define describe
did discuss do does edit explain find fix generate give help how ideas identify let list make name need outline please
provide recommend rewrite should show solve state suggest summarize tell tips translate want what when where which who
whose why will would write
[statement] he i im it just my she so that the there they this today we well yesterday you
[announcing] this following text sentence message passage paragraph review headline article words below
[i] i my me we our us
[you] you your du dir dich tú te usted tu toi vous ты тебя тебе вы вас
"""

# Marks that are looked for as they stand: of a tool-call protocol, and, in the first words of an answer, of a refusal,
# an assistant that speaks of itself, a tale. The "refusing" ones stand at the very start.
MARKS = """
[tool] <tool_call, <tool_response, <functioncall, <function_call, "arguments":, "tool_calls", "role": "tool",
Action Input:
[refusal] i can't help, i can't assist, i cannot assist, i cannot help, i can't provide, i cannot provide,
sorry but i can't, sorry but i cannot, no puedo ayudar, je ne peux pas, nicht helfen, 无法提供, не могу помочь
[refusing] i can't, i cannot, i won't, i will not, i'm sorry but, i'm really sorry, i refuse
[self] i'm an ai, i am an ai, as an ai, ai assistant, a language model, virtual assistant, 人工智能助手, ai助手,
ai 助手, 语言模型, ki-assistent, asistente virtual, assistant virtuel, 私はai
[tale] once upon a time, es war einmal, il était une fois, érase una vez, жил-был, жила-была, 从前, 昔々
"""
CODE_MARKS = ("()", ";\n", "{\n", "==", "!=", "=>", "->", "&&", "</", '");', "];", "):\n")
SUM_MARKS = ("=", "+", "%", "×", "√", "²", "#", "^")

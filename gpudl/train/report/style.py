"""How a report looks, and the script that shows values under the pointer. Light, dark, narrow, and on paper."""

from __future__ import annotations

CSS = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#18202c;--muted:#596273;--line:#dfe3e9;--grid:#e9ecf0;
--train:#2463c9;--val:#c2410c;--good:#15803d;--bad:#b42318;
--right:36 99 201;--wrong:217 95 14;--deep:#fff;--code:#f0f2f5}
@media screen and (prefers-color-scheme:dark){:root{--page:#0e1116;--card:#171b22;
--ink:#e6e9ef;--muted:#a1aab9;--line:#2d3440;
--grid:#262c37;--train:#82b1ff;--val:#ffa361;--good:#5fd08a;--bad:#ff8f85;--right:110 162 250;--wrong:240 145 75;
--deep:#0b0f16;--code:#1f252e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
main,header{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
h1{font-size:30px;line-height:1.2;margin:0 0 10px;letter-spacing:-.01em}
h2{font-size:20px;margin:40px 0 12px}
h3{font-size:15px;margin:0}
p{margin:0}
a{color:var(--train)}
.muted,.said{color:var(--muted)}
.said{margin-bottom:12px}
.eyebrow{font-size:13px;color:var(--muted);margin-bottom:4px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;margin:0;min-width:0}
.state{display:inline-block;border:1.5px solid;border-radius:99px;padding:1px 12px;font-weight:600;font-size:14px;
margin-right:10px;white-space:nowrap}
.done{color:var(--good)}.failed{color:var(--bad)}.interrupted{color:var(--val)}.running{color:var(--train)}
.unknown{color:var(--muted)}
.problem{border-left:4px solid var(--bad);margin-top:16px;font-size:14px;
font-family:ui-monospace,Menlo,Consolas,monospace}
.notes{border-left:4px solid var(--val);margin-top:16px;font-size:14px}
.notes ul{margin:0;padding-left:18px}
.progress{height:8px;border-radius:4px;background:var(--line);margin-top:16px;overflow:hidden}
.progress span{display:block;height:100%;background:var(--train)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,158px),1fr));gap:12px;
margin:20px 0 0;padding:0}
.tiles div{display:flex;flex-direction:column}
.tiles dt{font-size:13px;color:var(--muted);display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;
overflow:hidden}
.tiles dd{margin:0;font-size:24px;line-height:1.3;font-weight:650;font-variant-numeric:tabular-nums}
.tiles .first{grid-column:span 2}
.tiles .first dd:nth-of-type(1){font-size:38px;line-height:1.15}
.tiles dd.more{font-size:13px;font-weight:400;color:var(--muted);line-height:1.45}
nav{margin-top:20px;font-size:14px;display:flex;flex-wrap:wrap;gap:4px 18px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px}
.chart{position:relative;max-width:720px}
.chart svg[role]{display:block;width:100%;height:auto;margin-top:8px;touch-action:pan-y;overflow:visible}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:4px 0 0;padding:0;font-size:13px}
.legend li{display:flex;align-items:center;gap:7px}
.legend b,td,.matrix{font-variant-numeric:tabular-nums}
.key{width:28px;height:12px;flex:none}
svg path{fill:none}
.grid{stroke:var(--grid)}.axis{stroke:var(--muted)}
path.train,path.val,path.third{stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
path.train{stroke:var(--train)}path.val{stroke:var(--val);stroke-dasharray:7 4.5}
path.third{stroke:var(--good);stroke-dasharray:1 5}
path.faint{stroke:var(--train);opacity:.35;stroke-linejoin:round;stroke-linecap:round}
.mark.train{fill:var(--train)}.mark.val{fill:var(--val)}
path.mark.third{fill:var(--good);stroke:none}
.best{fill:none;stroke-width:1.8}.best.train{stroke:var(--train)}.best.val{stroke:var(--val)}
.nonfinite{stroke:var(--bad);stroke-width:1.8}
path.limit,path.happening{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 4}
.tick,.name,.empty{fill:var(--muted);font-size:12px;font-variant-numeric:tabular-nums}
.tick.y,.log{text-anchor:end}.tick.y{dominant-baseline:central}
.tick.x,.name,.empty{text-anchor:middle}.tick.x.last,.tick.happening.last,.name.log{text-anchor:end}
.tick.happening{fill:var(--bad);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:4px}
.cross{stroke:var(--muted);stroke-dasharray:2 3}
.tip{position:absolute;pointer-events:none;background:var(--ink);color:var(--page);border-radius:6px;padding:4px 9px;
font-size:12px;line-height:1.4;white-space:pre;z-index:2}
.scroll{overflow:auto;max-width:100%}
.tall{max-height:420px}
table{border-collapse:collapse;font-size:14px}
.plain{width:100%}
.plain th,.plain td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
.plain thead th{color:var(--muted);font-weight:500;font-size:13px;position:sticky;top:0;background:var(--card)}
.plain tr:last-child td,.plain tr:last-child th{border-bottom:0}
.plain .n{text-align:right;white-space:nowrap}
.plain .bestcell{font-weight:700}
.facts th{font-weight:500;color:var(--muted);width:34%;min-width:110px}
.epochs{margin-top:16px}
.confusion{display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start}
.confusion>figure{flex:0 1 auto;max-width:100%}
.confusion figcaption{font-size:13px;color:var(--muted);margin-bottom:12px;max-width:64ch}
.aside{flex:1 1 250px;display:grid;gap:16px;min-width:0}
.aside h3{margin-bottom:6px}
.matrix{white-space:nowrap}
.matrix td{min-width:38px;height:36px;padding:2px 5px;text-align:center;border:1px solid var(--card)}
.matrix th{font-weight:500;color:var(--muted);padding:3px 8px;font-size:13px}
.matrix tbody th,.matrix tfoot th{position:sticky;left:0;background:var(--card);text-align:right;max-width:150px;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.matrix .corner{font-size:12px;text-align:right;vertical-align:bottom;white-space:normal;position:sticky;left:0;
background:var(--card)}
.matrix.long thead th:not(.corner){vertical-align:bottom}
.matrix.long thead span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:130px;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap}
.matrix .right{background:rgb(var(--right)/var(--shade));font-weight:700}
.matrix .wrong{background:rgb(var(--wrong)/var(--shade))}
.matrix .deep{color:var(--deep)}.matrix .none{color:var(--muted);opacity:.7}
.matrix .share,.matrix tfoot td{color:var(--muted);font-size:13px}
.map{display:grid;grid-template:auto 22px/34px minmax(0,520px)}
.map img{width:100%;image-rendering:pixelated;border:1px solid var(--line);display:block;grid-area:1/2}
.down,.across{position:relative;font-size:12px;color:var(--muted)}
.down{grid-area:1/1}.across{grid-area:2/2}
.down span{position:absolute;right:6px;transform:translateY(-50%)}
.across span{position:absolute;top:3px;transform:translateX(-50%)}
.samples{list-style:none;margin:0;padding:0;display:grid;gap:12px;
grid-template-columns:repeat(auto-fill,minmax(min(46%,148px),1fr))}
.samples .card{padding:10px;display:flex;flex-direction:column;gap:8px;font-size:14px}
.samples .wrong{border:2px dashed var(--bad);padding:9px}
.samples img{width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;border-radius:4px;
background:var(--code)}
.samples img.wide{aspect-ratio:2}
.samples p{display:grid;gap:2px;line-height:1.35;font-size:13px}
.samples b{font-size:15px}.samples i{font-style:normal}
.right b i{color:var(--good)}.wrong b i,.truth{color:var(--bad)}.truth{font-weight:600}
.samples code,.samples blockquote{margin:0;font-size:12.5px;background:var(--code);border-radius:4px;padding:6px 8px}
.meter{position:relative;display:block;height:17px;border-radius:3px;background:var(--code);overflow:hidden;font-size:12px;
line-height:17px;padding-left:6px}
.meter::before{content:"";position:absolute;inset:0;width:calc(100%*var(--share));background:rgb(var(--right)/.3)}
.meter span{position:relative}
.spark{width:100%;height:56px;background:var(--code);border-radius:4px}
.spark polyline{fill:none;stroke:var(--train);stroke-width:1.5;vector-effect:non-scaling-stroke}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px;align-items:start}
.pair h3,details+h3{margin-bottom:8px}
pre{margin:0;overflow:auto;max-height:460px;font:13px/1.5 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;
white-space:pre;overflow-wrap:normal;tab-size:4}
code{font:13px/1.5 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
summary{cursor:pointer;font-weight:600;font-size:15px}
details[open] summary{margin-bottom:10px}
.next{display:grid;gap:12px;grid-template-columns:minmax(0,1fr)}
.next pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--code);border-radius:6px;padding:7px 10px;
margin-top:3px}
footer{max-width:1120px;margin:40px auto 0;padding:0 20px 32px;font-size:13px;color:var(--muted)}
@media (max-width:560px){header{padding-top:20px}main,header,footer{padding-left:12px;padding-right:12px}
h1{font-size:24px}h2{margin-top:32px}.card{padding:12px}.tick,.name,.empty{font-size:17px}
.tiles{grid-template-columns:1fr 1fr}
.tiles div:last-child:nth-child(even){grid-column:span 2}.samples img{max-height:150px}
.matrix td{min-width:29px;padding:2px 3px;font-size:13px}.matrix th{padding:3px 5px}
.matrix .share,.matrix tfoot td{font-size:11px}
.matrix tbody th,.matrix tfoot th{max-width:100px}}
@media print{:root{--page:#fff}
.tiles{grid-template-columns:repeat(5,1fr)}.charts,.pair{grid-template-columns:1fr 1fr}
.samples{grid-template-columns:repeat(6,1fr)}.tick,.name,.empty{font-size:13px}
body{font-size:12px;-webkit-print-color-adjust:exact;print-color-adjust:exact}
nav,.tip,.progress{display:none}.card,tr,li{break-inside:avoid}h2{break-after:avoid}.tall,pre{max-height:none}
pre{white-space:pre-wrap}.scroll{overflow:visible}}
"""

# Without it the page says the same; with it the pointer reads values off the curves.
SCRIPT = """
document.querySelectorAll("svg[data-chart]").forEach(function(svg){
const chart=JSON.parse(svg.dataset.chart),box=svg.parentNode,left=%LEFT%,right=%RIGHT%,top=%TOP%,bottom=%BOTTOM%;
const tip=document.createElement("div");tip.className="tip";tip.hidden=true;box.append(tip);
const line=document.createElementNS(svg.namespaceURI,"path");line.setAttribute("class","cross");svg.append(line);
const scale=chart.log?Math.log:x=>x,[low,high]=chart.ends.map(scale);
svg.addEventListener("pointermove",function(event){
const area=svg.getBoundingClientRect(),at=(event.clientX-area.left)/area.width*%WIDTH%;
const wanted=low+(at-left)/(right-left)*(high-low);let best=0;
chart.at.forEach((x,i)=>{if(Math.abs(scale(x)-wanted)<Math.abs(scale(chart.at[best])-wanted))best=i});
const nearest=chart.at[best];
tip.textContent=[chart.across+" "+nearest].concat(chart.lines.filter(([,values])=>values[best]!==null)
.map(([label,values])=>(label+" "+values[best]).trim())).join("\\n");
const x=left+(scale(nearest)-low)/(high-low)*(right-left);
line.setAttribute("d","M"+x+" "+top+"V"+bottom);tip.hidden=false;
const frame=box.getBoundingClientRect(),place=area.left-frame.left+x/%WIDTH%*area.width;
tip.style.left=Math.max(4,Math.min(place+10,box.clientWidth-tip.offsetWidth-4))+"px";
tip.style.top=area.top-frame.top+12+"px"});
svg.addEventListener("pointerleave",function(){tip.hidden=true;line.removeAttribute("d")})});
"""
